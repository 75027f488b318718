import { rejectionOf } from "#core/services/index.ts";
import { errorMessage, type Runtime } from "#lib/runtime/index.ts";
import { dispatchPacketIns, type PacketInSwitch } from "../packet-in/index.ts";

/** Answers per second, and at once after a pause. What is above stays without an answer: the client tries again or waits. */
const answerRate = { kind: "rate", perSecond: 200, burst: 200 } as const;
const limits = { perSender: 64, total: 1_024 } as const;

/**
 * Answers clients of Services without endpoints at once, for as long as `signal` lets it, over a connection of its own. Never answers more than
 * {@link answerRate}, however many packets pods send.
 */
export function answerUnserved(options: {
  readonly runtime: Runtime;
  readonly connect: (signal: AbortSignal) => Promise<PacketInSwitch>;
  readonly signal: AbortSignal;
}): void {
  const logger = options.runtime.logger.with({ component: "service-reject" });
  dispatchPacketIns({
    ...options,
    category: "serviceReject",
    limits,
    allowance: answerRate,
    handle({ packet, metadata }, connection) {
      const { in_port: port } = metadata;
      const rejection = rejectionOf(packet);
      if (rejection === undefined || typeof port !== "bigint") return;
      connection
        .packetOut({ packet: rejection, actions: [{ type: "output", port: Number(port) }] })
        .catch((error: unknown) => logger.debug("cannot answer a client", { error: errorMessage(error) }));
    },
  });
}
