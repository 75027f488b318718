import type { FlowIdentity, FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import type { FlowFilter } from "#lib/openflow/connection.ts";
import type { Difference } from "./compare.ts";
import { pagesOf, pagesOfFlows } from "./read-switch.ts";
import type { FlowTarget } from "./flow-target.ts";

/** What the switch has in some tables, read back page by page and compared with what should be there. Changes go on meanwhile. */
export interface Reading {
  /** Reads one page, or some flows that are asked for by themselves. True when there is none left. */
  step(connection: Pick<FlowTarget, "tables" | "dumpFlows">): Promise<boolean>;
  /** These change now: whatever was or will be read of them says nothing. */
  touch(flows: Iterable<Flow>): void;
  /** What is wrong and was not touched. To be asked when the switch has all changes that the ledger has told of. */
  differences(): Difference<Flow>[];
}

export interface ReadingOptions {
  readonly ledger: FlowLedger;
  readonly tables: ReadonlySet<number>;
  /** Flows of `tables`, by their identity in the ledger, that alone may be other than they should be. Default: all that are there or should be. */
  readonly written?: ReadonlyMap<FlowIdentity, Flow> | undefined;
}

/** Requests for single flows that are on their way at once: answering them takes the switch as long as a page. */
const mostAtOnce = 64;

/** Takes the next request, and with one for a single flow those of its kind behind it. */
function nextOf(pages: FlowFilter[]): FlowFilter[] {
  const whole = pages.findIndex(({ match }) => match === undefined);
  return pages.splice(0, Math.max(1, Math.min(whole < 0 ? pages.length : whole, mostAtOnce)));
}

/** Reads all flows of `tables`, or of them what is with those that were written. */
export function createReading({ ledger, tables, written }: ReadingOptions): Reading {
  let pages = written && pagesOfFlows(written.values(), (table) => ledger.sizeIn(new Set([table])));
  /** Of those that may be missing. */
  const found = new Set<FlowIdentity>();
  const touched = new Set<FlowIdentity>();
  /** Of those found, how many should be there. */
  let wantedFound = 0;
  /** As read; not what the ledger had then, which may have been ahead of the switch. By key: what the ledger calls them may be other by the end. */
  const doubtful = new Map<string, Flow>();
  const readPage = async (connection: Pick<FlowTarget, "dumpFlows">, page: FlowFilter): Promise<void> => {
    for await (const flow of connection.dumpFlows(page)) {
      const compared = ledger.compare(flow);
      const identity = ledger.identify(flow);
      if (written === undefined) {
        if (compared !== "unknown" && !found.has(identity)) wantedFound++;
        found.add(identity);
      } else if (written.has(identity)) found.add(identity);
      if (compared !== "same") doubtful.set(flowKey(flow), flow);
    }
  };
  return {
    async step(connection) {
      if (pages === undefined) {
        pages = (await pagesOf(connection, { without: [] })).filter(({ table }) => tables.has(table));
        return pages.length === 0;
      }
      if (pages.length === 0) {
        // With the answer comes what others changed before the question.
        await connection.tables();
        return true;
      }
      await Promise.all(nextOf(pages).map((page) => readPage(connection, page)));
      return pages.length === 0;
    },
    touch(flows) {
      for (const flow of flows) if (tables.has(flow.table)) touched.add(ledger.identify(flow));
    },
    differences() {
      const wrong = [...doubtful].flatMap(([key, flow]): Difference<Flow>[] => {
        if (touched.has(ledger.identify(flow))) return [];
        const wanted = ledger.get(key);
        if (wanted === undefined) return [{ finding: "unknown", item: flow }];
        return sameContent(flow, wanted) ? [] : [{ finding: "changed", item: wanted }];
      });
      if (written !== undefined) {
        for (const [identity, each] of written) {
          const flow = touched.has(identity) || found.has(identity) ? undefined : ledger.get(flowKey(each));
          if (flow !== undefined) wrong.push({ finding: "missing", item: flow });
        }
        return wrong;
      }
      // Nothing changed meanwhile, and as many as should be there are: then none is missing.
      if (touched.size === 0 && wantedFound === ledger.sizeIn(tables)) return wrong;
      for (const table of tables)
        for (const item of ledger.lacking(found, { table, cookie: 0n, cookieMask: 0n }))
          if (!touched.has(ledger.identify(item))) wrong.push({ finding: "missing", item });
      return wrong;
    },
  };
}
