import { uptime } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

/**
 * How old a machine must be, in seconds of its clock, before an ovs-vswitchd for the kernel's datapath starts. Open vSwitch counts processors for the first time at ten
 * seconds, and starts a thread for each then. One that is started before has no thread for the kernel's packets, and loses every one without a cached flow even when it has
 * them (seen with 3.1: `Overriding n-handler-threads to 0`, later `to 2`). `antrea-start-ovs.sh` says the same number.
 */
export const youngestSeconds = 11;

/** Resolves when this machine is old enough for that. `age` in seconds. */
export async function untilSwitchMayStart({
  age = uptime,
  sleep = async (ms: number): Promise<void> => wait(ms),
}: {
  readonly age?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
} = {}): Promise<void> {
  for (let left = youngestSeconds - age(); left > 0; left = youngestSeconds - age()) await sleep(Math.ceil(left * 1_000));
}
