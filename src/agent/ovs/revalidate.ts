import type { SwitchControl } from "../platform.ts";

/**
 * Resolves when Open vSwitch has gone over all flows that it had cached before the call. Each `revalidator/wait` answers at the end of a round: the first may
 * be that of one which was under way, and which passed some of them before the call; the second is that of one which began after it. Takes up to a second, as
 * rounds without a reason are half a second apart. Rejects with the switch's words.
 */
export async function revalidated(control: SwitchControl): Promise<void> {
  await control("revalidator/wait");
  await control("revalidator/wait");
}
