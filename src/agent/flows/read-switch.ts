import { cookiePages } from "#core/pipeline/cookie.ts";
import type { FlowFilter, OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { Flow, FlowEntry } from "#lib/openflow/flow.ts";

/**
 * Flows per request. Answering stops vswitchd's main thread, which on the netdev datapath also forwards: 2 000 flows take it 1 to 2 ms, while a dump
 * of 50 000 takes 35 ms, in which packets are lost at 20 000 a second.
 */
export const flowsPerPage = 2_000;

/** One request's worth of the switch's flows: those of a table, or of a large table one part. */
export interface FlowPage {
  readonly table: number;
  readonly cookie: bigint;
  readonly cookieMask: bigint;
}

/** The pages that together are all flows of the switch but those of the tables `without`; `ours` are read even when they are empty. */
export async function pagesOf(
  connection: Pick<OpenFlowConnection, "tables">,
  { without, ours = [] }: { readonly without: readonly number[]; readonly ours?: readonly number[] },
): Promise<FlowPage[]> {
  const present = (await connection.tables()).filter(({ table, flows }) => (flows > 0 || ours.includes(table)) && !without.includes(table));
  return present.flatMap(({ table, flows }) => cookiePages(Math.ceil(Math.log2(flows / flowsPerPage))).map((part) => ({ table, ...part })));
}

/** One request is worth so many flows that nobody asked for. */
const flowsPerRequest = 8;
/** However large a table is, it is not asked for more of its flows one by one. */
const mostOneByOne = 64;
const wholeCookie = (1n << 64n) - 1n;

/**
 * Pages that have `flows` on them: those of their cookies, by which Open vSwitch finds flows in an index, with the match where one flow has the cookie alone; where this would be many requests for a
 * small table, the whole table. `sizeOf` says how many flows that has.
 */
export function pagesOfFlows(flows: Iterable<Flow>, sizeOf: (table: number) => number): FlowFilter[] {
  return [...Map.groupBy(flows, ({ table }) => table)].flatMap(([table, inTable]): FlowFilter[] => {
    const byCookie = Map.groupBy(inTable, ({ cookie }) => cookie);
    const size = sizeOf(table);
    if (byCookie.size > mostOneByOne || byCookie.size * flowsPerRequest > size)
      return cookiePages(Math.ceil(Math.log2(size / flowsPerPage))).map((part) => ({ table, ...part }));
    return [...byCookie].map(([cookie, [first, ...more]]) => {
      const page = { table, cookie, cookieMask: wholeCookie };
      return first === undefined || more.length > 0 ? page : { ...page, match: first.match };
    });
  });
}

export function isOnPage({ table, cookie }: { readonly table: number; readonly cookie: bigint }, page: FlowPage): boolean {
  return table === page.table && (cookie & page.cookieMask) === page.cookie;
}

/** Reads all flows of `pages`, page by page. */
export async function* readPages(connection: Pick<OpenFlowConnection, "dumpFlows">, pages: readonly FlowPage[]): AsyncGenerator<FlowEntry> {
  for (const page of pages) yield* connection.dumpFlows(page);
}
