import { setTimeout as wait } from "node:timers/promises";
import { createPipeline } from "#core/pipeline/index.ts";
import { learnedReplies } from "#core/pipeline/sctp/compile.ts";
import type { Probe } from "#core/policy/cases/probes.ts";
import { firstPacket, ipPacket } from "#core/policy/cases/questions.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import {
  decodeFrame,
  encodeFrame,
  type EthernetFrame,
  type Ipv4Packet,
  type Ipv6Packet,
  type SctpPacket,
  type TransportPacket,
} from "#lib/packet/index.ts";
import { connectOpenFlow, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import { OpenFlowConnectionLost } from "#lib/openflow/errors.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { labPaths } from "../../src/lab/paths.ts";
import type { PodWire } from "./pod-wires.ts";

/** Of what no socket here can ask: SCTP, bare IP, TCP from a port of the asker's choice, and echo requests. */
export type CraftedProbe = Probe & { readonly source: IpAddress; readonly destination: IpAddress; readonly wire: PodWire };

/** Ports below the system's own choice, each once until they are through. */
const firstPort = 10_000;
const lastPort = 30_000;
let nextPort = firstPort;
let nextNumber = 1;
const pollMs = 5;
const leastLooks = 20;
/** RFC 9260 §3.2: what a whole handshake is made of. */
const chunk = { init: 1, initAck: 2, cookieEcho: 10, cookieAck: 11 } as const;
/** The first byte of bare IP's payload: a question or its answer. The next four are the question's number. */
const bare = { question: 0x51, answer: 0x41 } as const;

interface Asked {
  readonly probe: CraftedProbe;
  readonly sourcePort: number;
  /** Of bare IP, which has no ports. */
  readonly number: number;
  verdict?: string;
  /** The first packet came to whom it was for. */
  arrived?: true;
}

interface Asking {
  readonly lab: string;
  readonly probes: readonly CraftedProbe[];
  /** Of all pods that may receive. */
  readonly wires: readonly PodWire[];
  readonly timeoutMs: number;
}

/** As {@link askCrafted}; bare IP each direction by itself, as without ports all packets between two addresses are one connection. */
export async function askInTurns({ lab, probes, wires, timeoutMs }: Asking): Promise<readonly string[]> {
  const turnOf = ({ protocol, from, to }: CraftedProbe): number => (protocol !== "ip" || from < to ? 0 : 1);
  const verdicts = new Map<CraftedProbe, string>();
  for (const turn of [0, 1]) {
    const own = probes.filter((probe) => turnOf(probe) === turn);
    if (own.length === 0) continue;
    await forgetConnections(lab, new Set(own.filter(({ protocol }) => protocol === "ip").map(({ port }) => port)));
    for (const [index, verdict] of (await askCrafted(own, wires, timeoutMs)).entries()) {
      const probe = own[index];
      if (probe !== undefined) verdicts.set(probe, verdict);
    }
  }
  return probes.map((probe) => verdicts.get(probe) ?? "nothing");
}

async function forgetConnections(lab: string, protocols: ReadonlySet<number>): Promise<void> {
  if (protocols.size === 0) return;
  await onSwitches(lab, async (connection) => {
    for (const protocol of protocols) await connection.flushConnections({ protocol });
  });
}

/**
 * The switches forget replies to SCTP that they learned of the addresses: they keep 10 000 of the last 210 s, and the cases ask for as many in that time, so
 * that a late one would find no room.
 */
export async function forgetAssociations(lab: string, addresses: readonly IpAddress[]): Promise<void> {
  const pipeline = createPipeline();
  const learned = addresses.flatMap((address) => learnedReplies(pipeline, address));
  await onSwitches(lab, (connection) => connection.change(learned.map((flow) => ({ command: "delete", flow }) as const)));
}

async function onSwitches(lab: string, work: (connection: OpenFlowConnection) => Promise<void>): Promise<void> {
  const on = async (node: string): Promise<void> => {
    const path = `${labPaths(lab).node(node).ovs}/br-int.mgmt`;
    await retried(async () => {
      const connection = await connectOpenFlow({ runtime: systemRuntime({ level: "error" }), path });
      try {
        await work(connection);
      } finally {
        connection.close();
      }
    });
  };
  await Promise.all(["node-1", "node-2"].map(on));
}

/** vswitchd closes a connection that says nothing for a second, which is as long as this process may stand still between its many frames. */
async function retried(work: () => Promise<void>): Promise<void> {
  for (let left = 5; ; left--)
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OpenFlowConnectionLost) || left === 0) throw error;
    }
}

/**
 * Sends each first packet and plays both ends of what follows: the whole handshake of SCTP, an answer to bare IP; TCP is answered by the receiver's own
 * stack. Verdicts in the order of the probes; silence for `timeoutMs` is a drop. `wires` are those of all pods that may receive.
 */
async function askCrafted(probes: readonly CraftedProbe[], wires: readonly PodWire[], timeoutMs: number): Promise<readonly string[]> {
  for (const { socket } of wires) while (socket.receive() !== undefined);
  const asked = probes.map((probe): Asked => {
    if (nextPort > lastPort) nextPort = firstPort;
    return { probe, sourcePort: probe.sourcePort ?? nextPort++, number: nextNumber++ };
  });
  const byName = new Map(
    asked.map((each) => {
      const { probe, sourcePort } = each;
      return [probe.protocol === "icmp" ? echoName(probe.wire, sourcePort) : nameOf(probe.source, probe.destination, probe, each), each];
    }),
  );
  for (const { probe, sourcePort, number } of asked) {
    const payload: TransportPacket =
      probe.protocol === "ip"
        ? { kind: "other", protocol: probe.port, bytes: bareBytes(bare.question, number) }
        : firstPacket({ ...probe, sourcePort });
    sendFrom(probe.wire, wires, ipPacket(probe.source, probe.destination, payload));
  }
  // Silence counts from the last frame on, and by looks: on a busy machine this process may sleep through any time.
  let silentSince = performance.now();
  let silentLooks = 0;
  while (asked.some(({ verdict }) => verdict === undefined) && (silentLooks < leastLooks || performance.now() - silentSince < timeoutMs)) {
    silentLooks++;
    for (const wire of wires)
      for (let bytes = wire.socket.receive(); bytes !== undefined; bytes = wire.socket.receive()) {
        const frame = decodeFrame(bytes);
        if (frame?.payload.kind !== "ipv4" && frame?.payload.kind !== "ipv6") continue;
        hear(wire, frame, frame.payload, byName);
        silentSince = performance.now();
        silentLooks = 0;
      }
    await wait(pollMs);
  }
  return asked.map(({ verdict, arrived }) => verdict ?? (arrived ? "arrived, without an answer" : "drop"));
}

/** Answers what asks, and notes what answers. */
function hear(wire: PodWire, frame: EthernetFrame, packet: Ipv4Packet | Ipv6Packet, asked: ReadonlyMap<string, Asked>): void {
  const { payload, source, destination } = packet;
  const question = questionIn(packet);
  const arrived = question === undefined ? undefined : asked.get(question);
  if (arrived !== undefined) arrived.arrived = true;
  const answer = (transport: TransportPacket): void =>
    wire.socket.send(encodeFrame({ source: wire.mac, destination: frame.source, payload: ipPacket(destination, source, transport) }));
  const asker = (protocol: Probe["protocol"], sourcePort: number, port: number, number = 0): Asked | undefined =>
    asked.get(nameOf(destination, source, { protocol, port }, { sourcePort, number }));
  if (payload.kind === "tcp") {
    const mine = asker("tcp", payload.destinationPort, payload.sourcePort);
    if (mine === undefined) return;
    if (payload.flags.includes("rst")) mine.verdict ??= "refused";
    else if (payload.flags.includes("syn") && payload.flags.includes("ack")) mine.verdict ??= "ok";
  } else if (payload.kind === "sctp") {
    const next = nextOfSctp(payload);
    if (next !== undefined) answer(next);
    const mine = asker("sctp", payload.destinationPort, payload.sourcePort);
    if (mine !== undefined && payload.chunks[0]?.type === chunk.cookieAck) mine.verdict ??= "ok";
  } else if (payload.kind === "icmp" || payload.kind === "icmpv6") {
    const echo =
      payload.kind === "icmp" ? echoOf(payload, 4) : payload.body.type === "other" ? echoOf(icmpv4Like(payload.body), 6) : undefined;
    const mine = echo === undefined ? undefined : asked.get(echoName(wire, echo.identifier));
    if (echo !== undefined && mine !== undefined) mine.verdict ??= echo.verdict;
    const ports =
      payload.kind === "icmp"
        ? quotedSctp(payload, 4)
        : payload.body.type === "other"
          ? quotedSctp(icmpv4Like(payload.body), 6)
          : undefined;
    // The error comes from whom the packet was for.
    const refused = ports === undefined ? undefined : asker("sctp", ports.source, ports.destination);
    if (refused !== undefined) refused.verdict ??= "refused";
  } else if (payload.kind === "other" && payload.bytes.length >= 5) {
    const number = new DataView(payload.bytes.buffer, payload.bytes.byteOffset).getUint32(1);
    if (payload.bytes[0] === bare.question) answer({ ...payload, bytes: bareBytes(bare.answer, number) });
    const mine = payload.bytes[0] === bare.answer ? asker("ip", 0, payload.protocol, number) : undefined;
    if (mine !== undefined) mine.verdict ??= "ok";
  }
}

/** The name of the probe whose first packet this is. Echo requests are named by their asker's pod, which the receiver does not know. */
function questionIn({ payload, source, destination }: Ipv4Packet | Ipv6Packet): string | undefined {
  if (payload.kind === "tcp" || payload.kind === "sctp") {
    const isFirst = payload.kind === "tcp" ? !payload.flags.includes("ack") : payload.chunks[0]?.type === chunk.init;
    const { sourcePort, destinationPort: port } = payload;
    return isFirst ? nameOf(source, destination, { protocol: payload.kind, port }, { sourcePort, number: 0 }) : undefined;
  }
  if (payload.kind !== "other" || payload.bytes.length < 5 || payload.bytes[0] !== bare.question) return undefined;
  const number = new DataView(payload.bytes.buffer, payload.bytes.byteOffset).getUint32(1);
  return nameOf(source, destination, { protocol: "ip", port: payload.protocol }, { sourcePort: 0, number });
}

const icmpv4Like = ({
  number,
  ...body
}: {
  readonly number: number;
  readonly code: number;
  readonly rest: number;
  readonly payload: Uint8Array;
}) => ({
  ...body,
  type: number,
});

interface Message {
  readonly type: number;
  readonly code: number;
  readonly rest: number;
  readonly payload: Uint8Array;
}

/** Which echo request this is about, and what it says of it. */
function echoOf(message: Message, family: 4 | 6): { readonly identifier: number; readonly verdict: string } | undefined {
  if (message.type === (family === 4 ? 0 : 129)) return { identifier: message.rest >>> 16, verdict: "ok" };
  // The request is quoted: behind type, code and checksum stands the identifier.
  const quoted = quotedBehindIp(message, family, family === 4 ? 1 : 58);
  return quoted === undefined ? undefined : { identifier: quoted.getUint16(4), verdict: "refused" };
}

/** "Protocol unreachable" (RFC 792): what the stack of a pod whose kernel has no SCTP says beside the answers that are played for it. */
const protocolUnreachable = 2;

/** The ports of the packet of SCTP that a refusal is about. */
function quotedSctp(message: Message, family: 4 | 6): { readonly source: number; readonly destination: number } | undefined {
  const quoted = family === 4 && message.code === protocolUnreachable ? undefined : quotedBehindIp(message, family, 132);
  return quoted === undefined ? undefined : { source: quoted.getUint16(0), destination: quoted.getUint16(2) };
}

/** What an error "unreachable" quotes behind the header of IP, at least eight bytes, when it is about this protocol. */
function quotedBehindIp({ type, payload }: Message, family: 4 | 6, protocol: number): DataView | undefined {
  if (type !== (family === 4 ? 3 : 1) || payload[family === 4 ? 9 : 6] !== protocol) return undefined;
  const at = family === 4 ? ((payload[0] ?? 0) & 15) * 4 : 40;
  return payload.length < at + 8 ? undefined : new DataView(payload.buffer, payload.byteOffset + at);
}

function nextOfSctp({ sourcePort, destinationPort, chunks }: SctpPacket): SctpPacket | undefined {
  const says = (type: number, value: Uint8Array): SctpPacket => ({
    kind: "sctp",
    sourcePort: destinationPort,
    destinationPort: sourcePort,
    verificationTag: 1,
    chunks: [{ type, flags: 0, value }],
  });
  const [first] = chunks;
  switch (first?.type) {
    case chunk.init:
      return says(chunk.initAck, first.value);
    case chunk.initAck:
      return says(chunk.cookieEcho, Uint8Array.of(1, 2, 3, 4));
    case chunk.cookieEcho:
      return says(chunk.cookieAck, new Uint8Array());
    default:
      return undefined;
  }
}

/** To the pod beside it, or to its gateway, as its own stack would. */
function sendFrom(wire: PodWire, wires: readonly PodWire[], payload: Ipv4Packet | Ipv6Packet | EthernetFrame["payload"]): void {
  if (payload.kind !== "ipv4" && payload.kind !== "ipv6") throw new TypeError("only IP is asked");
  const beside = wires.find(
    ({ node, addresses }) => node === wire.node && addresses.some((address) => address.equals(payload.destination)),
  );
  wire.socket.send(encodeFrame({ source: wire.mac, destination: beside?.mac ?? wire.gatewayMac, payload }));
}

function nameOf(
  asker: IpAddress,
  receiver: IpAddress,
  { protocol, port }: Pick<Probe, "protocol" | "port">,
  { sourcePort, number }: Pick<Asked, "sourcePort" | "number">,
): string {
  return `${asker} ${receiver} ${protocol} ${port} ${protocol === "ip" ? number : sourcePort}`;
}

/** Echo requests have an identifier in the place of ports, and what comes back quotes it wherever it comes from. */
const echoName = ({ pod }: PodWire, identifier: number): string => `${pod} ${identifier}`;

function bareBytes(kind: number, number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(1, number);
  return bytes;
}
