import type { FlowIdentity, FlowLedger } from "#core/pipeline/flow-ledger.ts";
import type { Flow } from "#lib/openflow/flow.ts";

/** What was written to the switch since it was read back: all that another reading has to look at, where the same connection lasts and nothing was found wrong. */
export interface Written {
  /** These were written, or are going to be. */
  note(flows: readonly Flow[]): void;
  /** What was written to `tables` since it was taken last, by its identity in the ledger; undefined where everything in them has to be read. */
  take(tables: Iterable<number>): ReadonlyMap<FlowIdentity, Flow> | undefined;
  /** What was taken is not known to be right: the next reading of anything reads everything. */
  forget(): void;
}

/** Each keeps a flow in memory, half a kilobyte. What is more than these and small beside its table is read with all of it. */
const mostNoted = 10_000;

/** `told`: tables in which others change nothing that the switch does not tell. Others are read whole each time. */
export function createWritten(told: readonly number[], identify: FlowLedger["identify"]): Written {
  const isTold = new Set(told);
  /** Tables that were taken once; of others everything is to be read, so that nothing has to be noted. */
  const known = new Set<number>();
  let written = new Map<FlowIdentity, Flow>();
  const forget = (): void => {
    known.clear();
    written = new Map();
  };
  return {
    note(flows) {
      if (known.size === 0) return;
      for (const flow of flows) if (known.has(flow.table)) written.set(identify(flow), flow);
      if (written.size > mostNoted) forget();
    },
    take(tables) {
      const taken = new Map<FlowIdentity, Flow>();
      let all = false;
      const wanted = new Set(tables);
      for (const table of wanted) {
        if (!isTold.has(table)) return undefined;
        all ||= !known.has(table);
        known.add(table);
      }
      for (const [key, flow] of written)
        if (wanted.has(flow.table)) {
          taken.set(key, flow);
          written.delete(key);
        }
      return all ? undefined : taken;
    },
    forget,
  };
}
