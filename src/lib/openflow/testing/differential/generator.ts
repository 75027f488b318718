import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import {
  decodeFrame,
  type EthernetFrame,
  encodeFrame,
  type Ipv4Packet,
  type Ipv6Packet,
  type TcpFlag,
  type TransportPacket,
} from "#lib/packet/index.ts";
import { ethernetOfMulticast, neighborSolicitation } from "./neighbor-frames.ts";
import type { Random } from "#lib/runtime/index.ts";
import { readField } from "../../switch/layout.ts";
import { Packet } from "../../switch/packet.ts";
import type { Emitted } from "./real-switch.ts";
import type { Host } from "./world.ts";

/** A frame to be sent into a port. */
export interface Injection {
  readonly port: number;
  readonly frame: Uint8Array;
}

export interface GeneratorOptions {
  readonly random: Random;
  readonly hosts: readonly Host[];
  /** Addresses beside the hosts' own that packets are sent to: services, blocks of policies. */
  readonly destinations?: readonly IpAddress[];
  /** Frames' destination where the receiver is not a host behind the switch; default the receiver's own. */
  readonly gateway?: MacAddress;
  readonly destinationPorts: readonly number[];
}

/** Makes traffic: conversations that follow from what came out of the switch, and everything that goes wrong in networks. */
export interface Generator {
  next(): readonly Injection[];
  /** Tells what left the switch: the receivers may answer. */
  observe(injection: Injection, emitted: readonly Emitted[]): void;
}

/** Frames of the past that may be answered, repeated or changed. */
const memory = 60;
const clientPorts = [1_024, 1_025, 3_000, 40_000, 500, 700];
/** The largest frame that a dummy port sends: an MTU of 1500. */
export const largestFrame = 1_514;

export function createGenerator(options: GeneratorOptions): Generator {
  const { random, hosts, destinations = [], gateway, destinationPorts } = options;
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const chance = (percent: number): boolean => random.below(100) < percent;
  const sent: Injection[] = [];
  const seen: Emitted[] = [];
  const queue: Injection[] = [];
  let identification = 1;

  const fresh = (): Injection => {
    const from = pick(hosts);
    const to = pick(hosts);
    const family = chance(60) ? 0 : 1;
    const others = destinations.filter((address) => (address.family === 4) === (family === 0));
    const destination = others.length > 0 && chance(40) ? pick(others) : to.addresses[family];
    const mac = destination === to.addresses[family] && chance(80) ? to.mac : (gateway ?? to.mac);
    const source = chance(95) ? from.addresses[family] : pick(hosts).addresses[family];
    return { port: from.port, frame: ipFrame({ from: from.mac, to: mac, source, destination, payload: transport(family === 0 ? 4 : 6) }) };
  };
  const ipFrame = (parts: {
    from: MacAddress;
    to: MacAddress;
    source: IpAddress;
    destination: IpAddress;
    payload: TransportPacket;
    vlan?: true;
  }): Uint8Array => {
    const { from, to, source, destination, payload } = parts;
    const hops = chance(5) ? random.below(3) : 64;
    const common = { source, destination, payload };
    const packet: Ipv4Packet | Ipv6Packet =
      source.family === 4
        ? {
            kind: "ipv4",
            ...common,
            ttl: hops,
            identification: identification++ & 0xffff,
            ...(chance(10) ? { dscp: random.below(64), ecn: random.below(4) } : {}),
            ...(chance(3) ? { options: new Uint8Array([1, 1, 1, 0]) } : {}),
          }
        : {
            kind: "ipv6",
            ...common,
            hopLimit: hops,
            ...(chance(10) ? { trafficClass: random.below(256), flowLabel: random.below(0xfffff) } : {}),
            ...(chance(5) ? { extensions: [{ header: 60 as const, bytes: new Uint8Array([1, 4, 0, 0, 0, 0]) }] } : {}),
          };
    const vlans = chance(3) ? { vlans: [{ id: random.below(4096), priority: random.below(8) }] } : {};
    return encodeFrame({ destination: to, source: from, ...vlans, payload: packet });
  };
  const transport = (family: 4 | 6): TransportPacket => {
    const sourcePort = pick(clientPorts);
    const destinationPort = pick(destinationPorts);
    const payload = random.bytes(random.below(40));
    const kind = random.below(100);
    if (kind < 50)
      return {
        kind: "tcp",
        sourcePort,
        destinationPort,
        sequence: random.below(2 ** 32),
        acknowledgment: 0,
        flags: chance(80) ? ["syn"] : randomFlags(),
        window: 1 + random.below(65_000),
        ...(chance(30) ? { options: new Uint8Array([3, 3, random.below(16), 1]) } : {}),
        payload: chance(80) ? new Uint8Array(0) : payload,
      };
    if (kind < 70) return { kind: "udp", sourcePort, destinationPort, payload };
    if (kind < 82) return echo(family, true, random.below(20));
    if (kind < 90)
      return {
        kind: "sctp",
        sourcePort,
        destinationPort,
        verificationTag: 0,
        chunks: [{ type: chance(60) ? 1 : random.below(8), flags: 0, value: random.bytes(16) }],
      };
    if (kind < 94) return strangeIcmp(family);
    return { kind: "other", protocol: pick([2, 47, 50, 51, 89, 99, 255]), bytes: random.bytes(8 + random.below(30)) };
  };
  const echo = (family: 4 | 6, request: boolean, identifier: number): TransportPacket => {
    const rest = identifier * 65_536 + random.below(4);
    return family === 4
      ? { kind: "icmp", type: request ? 8 : 0, code: 0, rest, payload: random.bytes(8) }
      : { kind: "icmpv6", body: { type: "other", number: request ? 128 : 129, code: 0, rest, payload: random.bytes(8) } };
  };
  const strangeIcmp = (family: 4 | 6): TransportPacket => {
    const type = family === 4 ? pick([0, 3, 5, 9, 10, 13, 14, 15, 17, 42]) : pick([1, 2, 129, 130, 133, 134, 143, 200]);
    const rest = random.below(2 ** 32);
    const payload = random.bytes(random.below(60));
    const code = chance(80) ? 0 : random.below(16);
    return family === 4
      ? { kind: "icmp", type, code, rest, payload }
      : { kind: "icmpv6", body: { type: "other", number: type, code, rest, payload } };
  };
  const randomFlags = (): TcpFlag[] => (["fin", "syn", "rst", "psh", "ack", "urg", "ece"] as const).filter(() => chance(30));

  /** What the receiver of a frame says to it. */
  const answer = (): Injection | undefined => {
    const emitted = seen.length === 0 ? undefined : pick(seen.slice(-20));
    const frame = emitted === undefined ? undefined : decodeFrame(emitted.frame);
    if (emitted === undefined || frame === undefined) return undefined;
    const { payload } = frame;
    if (payload.kind !== "ipv4" && payload.kind !== "ipv6") return undefined;
    const back = replyTo(payload.payload, payload.kind === "ipv4" ? 4 : 6);
    if (back === undefined) return undefined;
    return { port: emitted.port, frame: reversed(macOf(emitted.port), frame, payload, back) };
  };
  const macOf = (port: number): MacAddress =>
    hosts.find((host) => host.port === port)?.mac ?? new MacAddress(0x0200_0000_0000n + BigInt(port));
  const reversed = (from: MacAddress, frame: EthernetFrame, packet: Ipv4Packet | Ipv6Packet, payload: TransportPacket): Uint8Array =>
    ipFrame({ from, to: frame.source, source: packet.destination, destination: packet.source, payload });
  const replyTo = (packet: TransportPacket, family: 4 | 6): TransportPacket | undefined => {
    switch (packet.kind) {
      case "tcp": {
        const has = (flag: TcpFlag): boolean => packet.flags.includes(flag);
        const length = packet.payload.length + (has("syn") ? 1 : 0) + (has("fin") ? 1 : 0);
        const kind = random.below(100);
        const flags: TcpFlag[] =
          has("syn") && !has("ack")
            ? kind < 90
              ? ["syn", "ack"]
              : ["rst", "ack"]
            : kind < 60
              ? ["ack"]
              : kind < 75
                ? ["psh", "ack"]
                : kind < 92
                  ? ["fin", "ack"]
                  : ["rst"];
        return {
          kind: "tcp",
          sourcePort: packet.destinationPort,
          destinationPort: packet.sourcePort,
          sequence: has("ack") ? packet.acknowledgment : random.below(2 ** 32),
          acknowledgment: (packet.sequence + length) % 2 ** 32,
          flags,
          window: 1 + random.below(65_000),
          ...(has("syn") && chance(50) ? { options: new Uint8Array([3, 3, random.below(10), 0]) } : {}),
          payload: flags.includes("psh") ? random.bytes(1 + random.below(30)) : new Uint8Array(0),
        };
      }
      case "udp":
        return {
          kind: "udp",
          sourcePort: packet.destinationPort,
          destinationPort: packet.sourcePort,
          payload: random.bytes(random.below(30)),
        };
      case "sctp":
        return {
          kind: "sctp",
          sourcePort: packet.destinationPort,
          destinationPort: packet.sourcePort,
          verificationTag: 7,
          chunks: [{ type: 2, flags: 0, value: random.bytes(16) }],
        };
      case "icmp":
        return packet.type === 8 ? { ...packet, type: 0 } : packet.type === 13 ? { ...packet, type: 14 } : undefined;
      case "icmpv6":
        return packet.body.type === "other" && packet.body.number === 128
          ? { kind: "icmpv6", body: { ...packet.body, number: 129 } }
          : undefined;
      case "other":
        return family === 4 ? { ...packet } : undefined;
    }
  };
  /** An error about a frame, from who received it or from a router on the way. */
  const complain = (): Injection | undefined => {
    const emitted = seen.length === 0 ? undefined : pick(seen.slice(-20));
    const frame = emitted === undefined ? undefined : decodeFrame(emitted.frame);
    if (emitted === undefined || frame === undefined) return undefined;
    const { payload } = frame;
    if (payload.kind !== "ipv4" && payload.kind !== "ipv6") return undefined;
    const whole = emitted.frame.slice(frame.vlans === undefined ? 14 : 18);
    // Open vSwitch 3.1 writes past the end of an error that quotes less than a whole TCP header of a translated connection.
    const quoted = whole.slice(
      0,
      payload.kind === "ipv6" ? pick([68, 80, 100]) : payload.payload.kind === "udp" ? pick([28, 48]) : pick([48, 60]),
    );
    const source = chance(70) ? payload.destination : pick(hosts).addresses[payload.kind === "ipv4" ? 0 : 1];
    const error: TransportPacket =
      payload.kind === "ipv4"
        ? { kind: "icmp", type: pick([3, 3, 11, 12, 4, 5]), code: random.below(4), rest: 0, payload: quoted }
        : { kind: "icmpv6", body: { type: "other", number: pick([1, 2, 3, 4]), code: random.below(4), rest: 0, payload: quoted } };
    return {
      port: emitted.port,
      frame: ipFrame({ from: macOf(emitted.port), to: frame.source, source, destination: payload.source, payload: error }),
    };
  };
  /** A frame of the past again, or its sender's next one. */
  const goOn = (): Injection | undefined => {
    const past = sent.length === 0 ? undefined : pick(sent);
    if (past === undefined || chance(30)) return past;
    const frame = decodeFrame(past.frame);
    if (frame === undefined || (frame.payload.kind !== "ipv4" && frame.payload.kind !== "ipv6") || frame.payload.payload.kind !== "tcp")
      return past;
    const segment = frame.payload.payload;
    const next = {
      ...segment,
      sequence:
        (segment.sequence + segment.payload.length + (segment.flags.includes("syn") ? 1 : 0) + (chance(10) ? random.below(200_000) : 0)) %
        2 ** 32,
      flags: chance(70) ? (["ack"] as const) : randomFlags(),
      acknowledgment: chance(80) ? segment.acknowledgment : random.below(2 ** 32),
    };
    return { port: past.port, frame: encodeFrame({ ...frame, payload: { ...frame.payload, payload: next } }) };
  };
  const fragments = (): Injection[] => {
    const from = pick(hosts);
    const to = pick(hosts);
    const family = chance(60) ? 0 : 1;
    const { payload: sample } = decodeFrame(
      ipFrame({
        from: from.mac,
        to: to.mac,
        source: from.addresses[family],
        destination: to.addresses[family],
        payload: big(family === 0 ? 4 : 6),
      }),
    ) as EthernetFrame;
    if (sample.kind !== "ipv4" && sample.kind !== "ipv6") return [];
    const whole = encodeFrame({ destination: to.mac, source: from.mac, payload: sample });
    const header = sample.kind === "ipv4" ? 14 + ((whole[14] ?? 0x45) & 0xf) * 4 : whole.length - transportBytes(sample);
    const body = whole.slice(header);
    const protocol = protocolOf(sample.payload);
    const size = chance(90) ? (sample.kind === "ipv4" ? 1_184 : 1_240) : 400;
    const id = random.below(2 ** 16);
    const pieces: Injection[] = [];
    for (let at = 0; at < body.length; at += size) {
      const bytes = body.slice(at, at + size);
      const more = at + size < body.length;
      const payload: TransportPacket = { kind: "other", protocol, bytes };
      const packet: Ipv4Packet | Ipv6Packet =
        sample.kind === "ipv4"
          ? {
              kind: "ipv4",
              source: sample.source,
              destination: sample.destination,
              ttl: sample.ttl,
              identification: id,
              ...(more ? { moreFragments: true } : {}),
              ...(at === 0 ? {} : { fragmentOffset: at / 8 }),
              payload,
            }
          : {
              kind: "ipv6",
              source: sample.source,
              destination: sample.destination,
              hopLimit: sample.hopLimit,
              extensions: [{ header: 44, offset: at / 8, more, identification: id }],
              payload,
            };
      pieces.push({ port: from.port, frame: encodeFrame({ destination: to.mac, source: from.mac, payload: packet }) });
    }
    if (chance(30)) pieces.reverse();
    if (chance(15)) pieces.splice(random.below(pieces.length), 1);
    const [first] = pieces;
    if (chance(15) && first !== undefined) pieces.push(first);
    return pieces;
  };
  const big = (family: 4 | 6): TransportPacket => {
    const payload = random.bytes(1_400 + random.below(1_800));
    const sourcePort = pick(clientPorts);
    const destinationPort = pick(destinationPorts);
    if (chance(60)) return { kind: "udp", sourcePort, destinationPort, payload };
    if (chance(50))
      return { kind: "tcp", sourcePort, destinationPort, sequence: 1, acknowledgment: 0, flags: ["syn"], window: 1000, payload };
    return family === 4
      ? { kind: "icmp", type: 8, code: 0, rest: 0x10001, payload }
      : { kind: "icmpv6", body: { type: "other", number: 128, code: 0, rest: 0x10001, payload } };
  };
  /** A frame with a mistake in it: bits turned, cut short, or with bytes behind. */
  const broken = (injection: Injection): Injection => {
    const frame = injection.frame.slice();
    const kind = random.below(4);
    if (kind === 0) {
      const at = 12 + random.below(Math.min(frame.length - 12, 60));
      frame[at] = (frame[at] ?? 0) ^ (1 << random.below(8));
      return { ...injection, frame };
    }
    if (kind === 1) return { ...injection, frame: frame.slice(0, Math.max(14, frame.length - 1 - random.below(frame.length))) };
    if (kind === 2) {
      const longer = new Uint8Array(Math.min(largestFrame, frame.length + 1 + random.below(20)));
      longer.set(frame.subarray(0, longer.length));
      return { ...injection, frame: longer };
    }
    for (let count = 0; count < 4; count++) frame[12 + random.below(frame.length - 12)] = random.below(256);
    return { ...injection, frame };
  };
  const arp = (): Injection => {
    const from = pick(hosts);
    const to = pick(hosts);
    return {
      port: from.port,
      frame: encodeFrame({
        destination: chance(70) ? new MacAddress(0xffff_ffff_ffffn) : to.mac,
        source: from.mac,
        payload: {
          kind: "arp",
          operation: chance(90) ? 1 + random.below(2) : random.below(400),
          senderMac: from.mac,
          senderAddress: chance(95) ? from.addresses[0] : to.addresses[0],
          targetMac: chance(50) ? new MacAddress(0n) : to.mac,
          targetAddress: destinations.length > 0 && chance(30) ? pick(destinations.filter(({ family }) => family === 4)) : to.addresses[0],
        },
      }),
    };
  };
  const neighbor = (): Injection => {
    const from = pick(hosts);
    const to = pick(hosts);
    return {
      port: from.port,
      frame: encodeFrame(
        neighborSolicitation({ from, target: to.addresses[1], random, destination: ethernetOfMulticast(to.addresses[1]) }),
      ),
    };
  };
  const one = (): readonly Injection[] => {
    const kind = random.below(100);
    const made =
      kind < 28
        ? fresh()
        : kind < 62
          ? answer()
          : kind < 74
            ? goOn()
            : kind < 82
              ? complain()
              : kind < 86
                ? arp()
                : kind < 91
                  ? neighbor()
                  : kind < 94
                    ? undefined
                    : broken(fresh());
    if (kind >= 91 && kind < 94) return fragments();
    if (made === undefined) return [fresh()];
    return [chance(4) ? broken(made) : made];
  };
  return {
    next() {
      if (queue.length === 0)
        queue.push(...one().filter(({ frame }) => frame.length <= largestFrame + 4 && frame.length >= 14 && !isHarmful(frame)));
      return queue.splice(0);
    },
    observe(injection, emitted) {
      sent.push(injection);
      seen.push(...emitted);
      if (sent.length > memory) sent.splice(0, sent.length - memory);
      if (seen.length > memory) seen.splice(0, seen.length - memory);
    },
  };
}

/**
 * Open vSwitch 3.1 writes ICMP types and ARP without asking whether the packet has them, and neighbor options where their lengths lead it: outside
 * of the packet, which ends ovs-vswitchd sooner or later.
 */
function isHarmful(frame: Uint8Array): boolean {
  const packet = new Packet(frame);
  const protocol = readField(packet.fresh(), "ip_proto");
  const { l3, l4, end, bytes } = packet;
  if (readField(packet.key, "eth_type") === 0x0806n && bytes.length - l3 < 28) return true;
  if (l4 < 0 || (protocol !== 1n && protocol !== 58n)) return false;
  if (end - l4 < 8) return true;
  for (let at = l4 + 24; protocol === 58n && (bytes[l4] === 135 || bytes[l4] === 136) && at < end; at += 8)
    if (bytes[at + 1] !== 1) return true;
  return false;
}

const protocols = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;
const protocolOf = (packet: TransportPacket): number => (packet.kind === "other" ? packet.protocol : protocols[packet.kind]);

function transportBytes({ payload }: Ipv4Packet | Ipv6Packet): number {
  if (payload.kind === "udp") return 8 + payload.payload.length;
  if (payload.kind === "tcp") return 20 + payload.payload.length;
  if (payload.kind === "icmpv6" && payload.body.type === "other") return 8 + payload.body.payload.length;
  return 0;
}
