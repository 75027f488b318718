import { serviceRejectCategory, serviceRejectController } from "#core/pipeline/service/index.ts";
import { rejectionOf } from "#core/services/index.ts";
import type { OpenFlowConnection, PacketIn } from "#lib/openflow/connection.ts";
import { createBackoff, errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** Answers per second, and at once after a pause. What is above stays without an answer: the client tries again or waits. */
const answerRate = { perSecond: 200, burst: 200 } as const;

/** What answering needs of a connection. */
export type RejectSwitch = Pick<OpenFlowConnection, "setControllerId" | "onPacketIn" | "packetOut" | "closed" | "close">;

/**
 * Answers clients of Services without endpoints at once, for as long as `signal` lets it, over a connection of its own. Never answers more than
 * {@link answerRate}, however many packets pods send.
 */
export function answerRejected(options: {
  readonly runtime: Runtime;
  readonly connect: (signal: AbortSignal) => Promise<RejectSwitch>;
  readonly signal: AbortSignal;
}): void {
  const { runtime, connect, signal } = options;
  const logger = runtime.logger.with({ component: "service-reject" });
  const mayAnswer = rateLimit(runtime);
  const answer = async (connection: RejectSwitch, { packet, metadata, userdata }: PacketIn): Promise<void> => {
    const { in_port: port } = metadata;
    if (userdata?.[0] !== serviceRejectCategory || typeof port !== "bigint" || !mayAnswer()) return;
    const rejection = rejectionOf(packet);
    if (rejection !== undefined) await connection.packetOut({ packet: rejection, actions: [{ type: "output", port: Number(port) }] });
  };
  const serve = async (connection: RejectSwitch): Promise<void> => {
    const close = (): void => connection.close();
    signal.addEventListener("abort", close, { once: true });
    const stopListening = connection.onPacketIn((packet) => {
      answer(connection, packet).catch((error: unknown) => logger.debug("cannot answer a client", { error: errorMessage(error) }));
    });
    try {
      await connection.setControllerId(serviceRejectController);
      throw await connection.closed;
    } finally {
      stopListening();
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
        await serve(connection);
      } catch (error) {
        if (signal.aborted) return;
        logger.debug("clients of Services without endpoints get no answer now", { error: errorMessage(error) });
        await sleep(runtime.clock, backoff.next(), signal).catch(() => {});
      }
    }
  };
  void run();
}

function rateLimit({ clock }: Pick<Runtime, "clock">): () => boolean {
  let left: number = answerRate.burst;
  let since = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    left = Math.min(answerRate.burst, left + ((now - since) / seconds(1)) * answerRate.perSecond);
    since = now;
    if (left < 1) return false;
    left--;
    return true;
  };
}
