import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import type { GroupLedger } from "#core/pipeline/group-ledger.ts";
import type { Meter } from "#lib/openflow/meter.ts";
import type { FlowTarget } from "./flow-target.ts";
import type { SwitchChanges } from "./switch-writer.ts";

/** What the switch is to hold, and how much of that is known. */
export interface Desired {
  readonly ledger: FlowLedger;
  readonly groups: GroupLedger;
  readonly meters: readonly Meter[];
  /** The ledgers hold something that the switch was not sent yet. */
  readonly changed: boolean;
  /** They hold all that should exist: what they do not know is wrong. */
  readonly knowsAll: boolean;
  /** What they do not know was removed since this connection began. */
  readonly swept: boolean;
}

/** Makes changes of the switch's content. */
export type Write = (connection: FlowTarget, changes: SwitchChanges) => Promise<void>;
