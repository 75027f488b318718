import { serviceRejectCategory, serviceRejectController } from "#core/pipeline/service/index.ts";
import { rejectionOf } from "#core/services/index.ts";
import type { OpenFlowConnection, PacketIn } from "#lib/openflow/connection.ts";
import { errorMessage, type Runtime, seconds } from "#lib/runtime/index.ts";
import { keepConnected } from "../ovs/keep-connected.ts";

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
  keepConnected({
    runtime,
    connect,
    signal,
    onLost: (error) => logger.debug("clients of Services without endpoints get no answer now", { error: errorMessage(error) }),
    serve(connection) {
      connection.onPacketIn((packet) => {
        answer(connection, packet).catch((error: unknown) => logger.debug("cannot answer a client", { error: errorMessage(error) }));
      });
      return connection.setControllerId(serviceRejectController);
    },
  });
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
