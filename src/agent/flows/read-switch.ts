import { cookiePages } from "#core/pipeline/cookie.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { FlowEntry } from "#lib/openflow/flow.ts";

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

export function isOnPage({ table, cookie }: { readonly table: number; readonly cookie: bigint }, page: FlowPage): boolean {
  return table === page.table && (cookie & page.cookieMask) === page.cookie;
}

/** Reads all flows of `pages`, page by page. */
export async function* readPages(connection: Pick<OpenFlowConnection, "dumpFlows">, pages: readonly FlowPage[]): AsyncGenerator<FlowEntry> {
  for (const page of pages) yield* connection.dumpFlows(page);
}
