import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { milliseconds, type Runtime, sleep } from "#lib/runtime/index.ts";

/** Between two looks at how many flows a restarted switch has got back. */
const betweenLooks = milliseconds(20);

/**
 * Resolves when the bridge has as many flows as are desired. A switch that was restarted begins with none, and it is the switch that must
 * be asked: for a moment, the agent may not have noticed.
 */
export async function flowsPresent(options: {
  readonly runtime: Runtime;
  readonly connect: (signal: AbortSignal) => Promise<OpenFlowConnection>;
  readonly desired: () => number;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, connect, desired, signal } = options;
  for (;;) {
    const connection = await connect(signal);
    try {
      if ((await connection.countFlows()).flows >= desired()) return;
    } finally {
      connection.close();
    }
    await sleep(runtime.clock, betweenLooks, signal);
  }
}
