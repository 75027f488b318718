import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { createBackoff, onAbort, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** Has a connection to the bridge for as long as `signal` lets it: `serve` sets up each one; when it ends, or cannot be set up, the next is tried. */
export function keepConnected<Connection extends Pick<OpenFlowConnection, "closed" | "close">>(options: {
  readonly runtime: Runtime;
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  readonly serve: (connection: Connection) => Promise<void>;
  readonly onLost: (error: unknown) => void;
  readonly signal: AbortSignal;
}): void {
  const { runtime, connect, serve, onLost, signal } = options;
  const whileOpen = async (connection: Connection): Promise<never> => {
    const close = (): void => connection.close();
    onAbort(signal, close);
    try {
      await serve(connection);
      throw await connection.closed;
    } finally {
      signal.removeEventListener("abort", close);
      connection.close();
    }
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, limit: seconds(2) });
    while (!signal.aborted) {
      try {
        const connection = await connect(signal);
        backoff.reset();
        await whileOpen(connection);
      } catch (error) {
        if (signal.aborted) return;
        onLost(error);
        await sleep(runtime.clock, backoff.next(), signal).catch(() => {});
      }
    }
  };
  void run();
}
