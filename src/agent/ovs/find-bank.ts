import { type Bank, besideStrangers, entryTable, otherBank, presentLayout, readLayout } from "#core/pipeline/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { createBackoff, errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/**
 * Which tables our flows go to: where those in the switch are, when they mean the same; beside them, when they are of another layout, of a stranger as antrea (Go) is, or have numbers that nobody remembers, and have
 * to be replaced at once. Asks until the switch answers; rejects with the signal's reason.
 */
export async function findBank(options: {
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "dumpFlows" | "close">>;
  readonly runtime: Runtime;
  readonly layout?: number;
  /** What was given numbers when the flows were made, as sets of addresses and what pods have to do with rules, is known. Without it the same number would mean two things while some flows are new and some are not. */
  readonly remembers: boolean;
  readonly signal: AbortSignal;
}): Promise<{ readonly bank: Bank; readonly moves: boolean }> {
  const { connect, runtime, layout = presentLayout, remembers, signal } = options;
  const backoff = createBackoff({ random: runtime.random, limit: seconds(2) });
  for (;;) {
    try {
      const connection = await connect(signal);
      try {
        const entry = await Array.fromAsync(connection.dumpFlows({ table: entryTable }));
        if (entry.length === 0) return { bank: 0, moves: false };
        const found = readLayout(entry);
        if (found === undefined) return { bank: besideStrangers, moves: true };
        if (found.number === layout && remembers) return { bank: found.bank, moves: false };
        return { bank: otherBank(found.bank), moves: true };
      } finally {
        connection.close();
      }
    } catch (error) {
      signal.throwIfAborted();
      runtime.logger.warn("cannot ask the switch for its flows yet", { error: errorMessage(error) });
      await sleep(runtime.clock, backoff.next(), signal);
    }
  }
}
