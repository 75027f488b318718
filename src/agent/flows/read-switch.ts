import { cookiePages } from "#core/pipeline/cookie.ts";
import type { PartOfTable } from "#core/pipeline/flow-ledger.ts";
import type { FlowFilter, OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { Flow, FlowEntry } from "#lib/openflow/flow.ts";

/**
 * Flows per request. Answering stops vswitchd's main thread, which on the netdev datapath also forwards: 2 000 flows take it 1 to 2 ms, while a dump
 * of 50 000 takes 35 ms, in which packets are lost at 20 000 a second.
 */
export const flowsPerPage = 2_000;

/** The pages that together are all flows of the switch but those of the tables `without`; `ours` are read even when they are empty. */
export async function pagesOf(
  connection: Pick<OpenFlowConnection, "tables">,
  { without, ours = [] }: { readonly without: readonly number[]; readonly ours?: readonly number[] },
): Promise<PartOfTable[]> {
  const present = (await connection.tables()).filter(({ table, flows }) => (flows > 0 || ours.includes(table)) && !without.includes(table));
  return present.flatMap(({ table, flows }) => cookiePages(Math.ceil(Math.log2(flows / flowsPerPage))).map((part) => ({ table, ...part })));
}

/** A request costs as much as so many flows in the answer of another: in a table of 50 000, vswitchd took 11 µs for one and 3 for the other, the agent 13 and 2.4. */
const flowsPerRequest = 4;
/** Flows of one cookie that are asked for by their matches; of more, all that have the cookie. */
const mostByMatch = 4;
const wholeCookie = (1n << 64n) - 1n;

/**
 * Requests for `flows`: for each by its cookie, of which Open vSwitch has an index, and its match; where this would cost more than to read the table, for the whole of it, page by page. `sizeOf` says how many
 * flows a table has.
 */
export function pagesOfFlows(flows: Iterable<Flow>, sizeOf: (table: number) => number): FlowFilter[] {
  return [...Map.groupBy(flows, ({ table }) => table)].flatMap(([table, inTable]): FlowFilter[] => {
    const size = sizeOf(table);
    const pages = [...Map.groupBy(inTable, ({ cookie }) => cookie)].flatMap(([cookie, same]): FlowFilter[] => {
      const page = { table, cookie, cookieMask: wholeCookie };
      return same.length > mostByMatch ? [page] : same.map(({ match }) => ({ ...page, match }));
    });
    if (pages.length * flowsPerRequest <= size) return pages;
    return cookiePages(Math.ceil(Math.log2(size / flowsPerPage))).map((part) => ({ table, ...part }));
  });
}

/** Reads all flows of `pages`, page by page. */
export async function* readPages(
  connection: Pick<OpenFlowConnection, "dumpFlows">,
  pages: readonly PartOfTable[],
): AsyncGenerator<FlowEntry> {
  for (const page of pages) yield* connection.dumpFlows(page);
}
