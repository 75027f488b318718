import { MacAddress, parseAddress } from "#lib/ip/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import type { SwitchControl } from "../platform.ts";

/** None of the pipeline's zones. */
const zone = 65_500;
const [source, destination] = [parseAddress("192.0.2.1"), parseAddress("192.0.2.2")];
const ports = { sourcePort: 7_101, destinationPort: 7_102 } as const;
/** An INIT chunk (RFC 9260 §3.3.2): tag 1, window 65 536, one stream each way, first TSN 1. */
const init = { type: 1, flags: 0, value: Uint8Array.of(0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1) } as const;

/**
 * Whether the datapath's connection tracker tells associations of SCTP apart by their ports: the kernel's does, that of Open vSwitch 3.1 takes any port for the one that
 * it has seen. Begins an association in a zone of its own, out of no port and into none, and looks at what is tracked. False when that cannot be found out.
 */
export async function tracksSctpPorts(options: {
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "packetOut" | "flushConnections" | "close">>;
  readonly control: SwitchControl;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<boolean> {
  const { connect, control, logger, signal } = options;
  try {
    const connection = await connect(signal);
    try {
      await connection.packetOut({ packet: initFrame(), actions: [{ type: "ct", commit: true, zone }] });
      const tracked = await control("dpctl/dump-conntrack", [`zone=${zone}`]);
      await connection.flushConnections({ zone });
      return tracked.includes(`sport=${ports.sourcePort},dport=${ports.destinationPort}`);
    } finally {
      connection.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    logger.warn("cannot find out whether SCTP is tracked by its ports: its packets are judged one by one", { error: errorMessage(error) });
    return false;
  }
}

const initFrame = (): Uint8Array =>
  encodeFrame({
    source: new MacAddress(0x0200_0000_0001n),
    destination: new MacAddress(0x0200_0000_0002n),
    payload: {
      kind: "ipv4",
      source,
      destination,
      ttl: 64,
      payload: { kind: "sctp", ...ports, verificationTag: 0, chunks: [init] },
    },
  });
