import type { LocalPort } from "#core/pipeline/index.ts";
import { type Link, wayBack } from "#core/reject/index.ts";
import type { MacAddress } from "#lib/ip/index.ts";
import { errorMessage, type Runtime } from "#lib/runtime/index.ts";
import type { PacketIn } from "#lib/openflow/connection.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { dispatchPacketIns, type PacketInFigures, type PacketInSwitch } from "./dispatch.ts";
import { senderBehind } from "./senders.ts";

/** Of one port: what its client may have under way while others have their turn. */
const limits = { perSender: 256, total: 4_096 } as const;

export interface RejectOptions {
  readonly runtime: Runtime;
  readonly connect: (signal: AbortSignal) => Promise<PacketInSwitch>;
  readonly ports: ReadTable<LocalPort>;
  readonly gateway: { readonly ofport: number; readonly mac: MacAddress };
  /** Absent where packets between nodes take no tunnel. */
  readonly tunnel?: { readonly ofport: number };
  /** Answers per second, twice as many at once after a pause; 0: as many as come (`packetInRate`). */
  readonly rate: number;
  /** Hears of each packet that is answered. */
  readonly onRejected?: (packet: PacketIn) => void;
  readonly signal: AbortSignal;
}

/**
 * Answers what rules reject, for as long as `signal` lets it: RST to TCP, ICMP "administratively prohibited" to the rest, from the address that the
 * client used. What is above the rate stays without an answer, as if dropped.
 */
export function answerRejected(options: RejectOptions): { readonly figures: () => PacketInFigures } {
  const { runtime, connect, ports, gateway, tunnel, rate, signal } = options;
  const logger = runtime.logger.with({ component: "reject" });
  const macs = new Map<number, MacAddress>();
  ports.subscribe(
    ({ before, after }) => {
      if (before !== undefined) macs.delete(before.ofport);
      if (after !== undefined) macs.set(after.ofport, after.mac);
    },
    { replay: true },
  );
  const linkOf = (port: number): Link | undefined => {
    if (port === tunnel?.ofport) return { kind: "tunnel" };
    const mac = port === gateway.ofport ? gateway.mac : macs.get(port);
    return mac === undefined ? undefined : { kind: "direct", mac };
  };
  return dispatchPacketIns({
    runtime,
    category: "reject",
    connect,
    senderOf: senderBehind(tunnel),
    limits,
    allowance: rate === 0 ? { kind: "unlimited" } : { kind: "rate", perSecond: rate, burst: 2 * rate },
    handle(packet, connection) {
      const answer = wayBack(packet, { because: "a policy forbids it", linkOf });
      if (answer === undefined) return;
      options.onRejected?.(packet);
      connection.packetOut(answer).catch((error: unknown) => logger.debug("cannot answer a client", { error: errorMessage(error) }));
    },
    signal,
  });
}
