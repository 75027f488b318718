import type { FlowLedger } from "#core/pipeline/flow-ledger.ts";
import type { FlowUpdate } from "#lib/openflow/connection.ts";
import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import type { Difference } from "./compare.ts";

/** More than these are not looked at one by one: the whole switch is compared. A flow kept for it takes about 1 KB. */
const suspectsAtMost = 5_000;

/** A flow as others left it; without one they removed it. */
export interface Suspect {
  readonly key: string;
  readonly flow: Flow | undefined;
}

/** What the switch tells of changes that others made, until it is looked into. Of one flow the last word counts. */
export interface Suspects {
  readonly onUpdate: (update: FlowUpdate) => void;
  readonly onRequestForward: () => void;
  readonly any: boolean;
  /** What was told since the last call. `tooMany`: more than are kept, only a comparison of everything helps. */
  take(): { readonly flows: readonly Suspect[]; readonly groupsOrMeters: boolean; readonly tooMany: boolean };
}

export function createSuspects(wake: () => void): Suspects {
  const flows = new Map<string, Suspect>();
  const told = { tooMany: false, groupsOrMeters: false };
  return {
    onUpdate(update) {
      if (update.event !== "added" && update.event !== "modified" && update.event !== "removed") return;
      const key = flowKey(update.flow);
      if (flows.size >= suspectsAtMost) told.tooMany = true;
      else flows.set(key, { key, flow: update.event === "removed" ? undefined : update.flow });
      wake();
    },
    onRequestForward() {
      told.groupsOrMeters = true;
      wake();
    },
    get any() {
      return flows.size > 0 || told.groupsOrMeters || told.tooMany;
    },
    take() {
      const taken = { ...told, flows: [...flows.values()] };
      flows.clear();
      told.tooMany = false;
      told.groupsOrMeters = false;
      return taken;
    },
  };
}

/** What is wrong with a suspect, as the ledger is now. */
export function judge(ledger: FlowLedger, { key, flow }: Suspect): Difference<Flow>[] {
  const wanted = ledger.get(key);
  if (wanted === undefined) return flow === undefined ? [] : [{ finding: "unknown", item: flow }];
  if (flow === undefined) return [{ finding: "missing", item: wanted }];
  return sameContent(flow, wanted) ? [] : [{ finding: "changed", item: wanted }];
}
