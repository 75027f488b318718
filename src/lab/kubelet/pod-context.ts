import type { Runtime } from "#lib/runtime/runtime.ts";
import type { ActionContext } from "./pod-actions.ts";
import type { Probes } from "./probes.ts";
import type { PodRecords } from "./status-writer.ts";
import type { Stopper } from "./stopper.ts";

/** Everything that looking after pods needs. */
export interface PodContext extends ActionContext {
  readonly runtime: Runtime;
  readonly records: PodRecords;
  readonly probes: Probes;
  readonly stopper: Stopper;
  readonly forgetTokens: (uid: string) => void;
  /** Asks to be called again for this pod at `time` (milliseconds since the epoch) at the latest. */
  readonly schedule: (uid: string, time: number) => void;
}
