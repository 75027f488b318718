import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { decodeFrame, encodeFrame, type EthernetFrame, type TcpSegment, type TransportPacket } from "#lib/packet/index.ts";
import type { Match } from "#lib/openflow/match.ts";
import { askedDestination, refusalOf, wayBack } from "./index.ts";

const rejectionOf = (bytes: Uint8Array): Uint8Array | undefined => refusalOf(bytes, { because: "nobody serves it" });

const addresses = {
  4: { source: parseAddress("10.0.0.5"), destination: parseAddress("10.96.0.1") },
  6: { source: parseAddress("fd00::5"), destination: parseAddress("fd00:96::1") },
} as const;
const macs = { source: parseMac("0a:00:00:00:00:05"), destination: parseMac("0e:00:00:00:00:01") };

function packet(family: 4 | 6, payload: TransportPacket): Uint8Array {
  const inner: EthernetFrame["payload"] =
    family === 4 ? { kind: "ipv4", ...addresses[4], ttl: 64, payload } : { kind: "ipv6", ...addresses[6], hopLimit: 64, payload };
  return encodeFrame({ ...macs, payload: inner });
}

function answer(family: 4 | 6, payload: TransportPacket): TransportPacket | undefined {
  const bytes = rejectionOf(packet(family, payload));
  if (bytes === undefined) return undefined;
  const frame = decodeFrame(bytes);
  assert.ok(frame?.payload.kind === "ipv4" || frame?.payload.kind === "ipv6");
  assert.deepEqual([frame.source, frame.destination], [macs.destination, macs.source]);
  assert.deepEqual([frame.payload.source, frame.payload.destination], [addresses[family].destination, addresses[family].source]);
  assert.ok(!("badChecksum" in frame.payload) && !("badChecksum" in frame.payload.payload));
  return frame.payload.payload;
}

const tcp = (parts: Partial<TcpSegment>): TcpSegment => ({
  kind: "tcp",
  sourcePort: 1_024,
  destinationPort: 80,
  sequence: 7,
  acknowledgment: 0,
  flags: ["syn"],
  window: 100,
  payload: new Uint8Array(0),
  ...parts,
});

test("TCP gets the reset that its sender accepts", () => {
  for (const family of [4, 6] as const) {
    const toSyn = answer(family, tcp({ sequence: 0xffff_ffff }));
    assert.ok(toSyn?.kind === "tcp");
    assert.deepEqual([toSyn.sourcePort, toSyn.destinationPort, toSyn.sequence, toSyn.acknowledgment], [80, 1_024, 0, 0]);
    assert.deepEqual([...toSyn.flags].sort(), ["ack", "rst"]);
    const toAck = answer(family, tcp({ flags: ["ack"], acknowledgment: 99 }));
    assert.ok(toAck?.kind === "tcp");
    assert.deepEqual([toAck.sequence, toAck.flags], [99, ["rst"]]);
    assert.equal(answer(family, tcp({ flags: ["rst"] })), undefined);
  }
});

test("UDP gets a port unreachable that quotes it and fits the smallest MTU", () => {
  const datagram = { kind: "udp", sourcePort: 1_024, destinationPort: 53, payload: new Uint8Array(1_400) } as const;
  const v4 = answer(4, datagram);
  assert.ok(v4?.kind === "icmp");
  assert.deepEqual([v4.type, v4.code, v4.payload.length], [3, 3, 548]);
  assert.deepEqual(v4.payload, packet(4, datagram).slice(14, 14 + 548));
  const v6 = answer(6, datagram);
  assert.ok(v6?.kind === "icmpv6" && v6.body.type === "other");
  assert.deepEqual([v6.body.number, v6.body.code, v6.body.payload.length], [1, 4, 1_232]);
});

test("errors are not answered", () => {
  assert.equal(answer(4, { kind: "icmp", type: 3, code: 3, rest: 0, payload: new Uint8Array(28) }), undefined);
});

test("any bytes are answered or not, never refused", () => {
  const good = packet(4, tcp({}));
  const asked = { address: addresses[4].destination, port: 7 };
  const refuse = (bytes: Uint8Array): void => {
    rejectionOf(bytes);
    refusalOf(bytes, { because: "a policy forbids it", asked });
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refuse));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const broken = good.slice();
      broken[at] = value;
      refuse(broken.subarray(0, length));
    }),
  );
});

const prohibited = (
  family: 4 | 6,
  payload: TransportPacket,
  asked?: Parameters<typeof refusalOf>[1]["asked"],
): EthernetFrame | undefined => {
  const bytes = refusalOf(packet(family, payload), { because: "a policy forbids it", asked });
  return bytes === undefined ? undefined : decodeFrame(bytes);
};
const ipOf = (frame: EthernetFrame | undefined): Extract<EthernetFrame["payload"], { kind: "ipv4" | "ipv6" }> => {
  assert.ok(frame?.payload.kind === "ipv4" || frame?.payload.kind === "ipv6");
  return frame.payload;
};

test("what a policy forbids gets ICMP administratively prohibited with the IP header and eight bytes", () => {
  const datagram = { kind: "udp", sourcePort: 1_024, destinationPort: 53, payload: new Uint8Array(1_400) } as const;
  const echo = { kind: "icmp", type: 8, code: 0, rest: 7, payload: new Uint8Array(20) } as const;
  const sctp = {
    kind: "sctp",
    sourcePort: 7,
    destinationPort: 9,
    verificationTag: 0,
    chunks: [{ type: 1, flags: 0, value: new Uint8Array(16) }],
  } as const;
  const gre = { kind: "other", protocol: 47, bytes: new Uint8Array(4) } as const;
  for (const payload of [datagram, echo, sctp]) {
    const { payload: v4 } = ipOf(prohibited(4, payload));
    assert.ok(v4.kind === "icmp");
    assert.deepEqual([v4.type, v4.code, v4.payload], [3, 10, packet(4, payload).slice(14, 14 + 28)]);
  }
  const { payload: v6 } = ipOf(prohibited(6, datagram));
  assert.ok(v6.kind === "icmpv6" && v6.body.type === "other");
  assert.deepEqual([v6.body.number, v6.body.code, v6.body.payload], [1, 1, packet(6, datagram).slice(14, 14 + 48)]);
  // All there is, when there are fewer.
  const short = ipOf(prohibited(4, gre)).payload;
  assert.ok(short.kind === "icmp");
  assert.equal(short.payload.length, 24);
  const reset = ipOf(prohibited(4, tcp({ sequence: 7, payload: new Uint8Array(3) }))).payload;
  assert.ok(reset.kind === "tcp");
  assert.deepEqual([reset.acknowledgment, [...reset.flags].sort()], [11, ["ack", "rst"]]);
});

test("a fragment, a group and an error get no answer", () => {
  const error6 = { kind: "icmpv6", body: { type: "other", number: 1, code: 4, rest: 0, payload: new Uint8Array(48) } } as const;
  assert.equal(prohibited(6, error6), undefined);
  const datagram = { kind: "udp", sourcePort: 1, destinationPort: 2, payload: new Uint8Array(8) } as const;
  const to = (destination: string, more?: true): Uint8Array =>
    encodeFrame({
      ...macs,
      payload: {
        kind: "ipv4",
        source: addresses[4].source,
        destination: parseAddress(destination),
        ttl: 1,
        payload: datagram,
        ...(more ? { moreFragments: more } : {}),
      },
    });
  for (const bytes of [to("224.0.0.1"), to("255.255.255.255"), to("10.0.0.1", true)])
    assert.equal(refusalOf(bytes, { because: "a policy forbids it" }), undefined);
});

test("the client of a Service is answered from the Service's address, which the answer quotes", () => {
  for (const family of [4, 6] as const) {
    const asked = { address: parseAddress(family === 4 ? "10.96.0.9" : "fd00:96::9"), port: 5_353 };
    const reset = ipOf(prohibited(family, tcp({}), asked));
    assert.deepEqual([String(reset.source), reset.payload.kind === "tcp" && reset.payload.sourcePort], [String(asked.address), 5_353]);
    const datagram = { kind: "udp", sourcePort: 1_024, destinationPort: 53, payload: new Uint8Array(9) } as const;
    const { source, payload } = ipOf(prohibited(family, datagram, asked));
    assert.equal(String(source), String(asked.address));
    const quote =
      payload.kind === "icmp"
        ? payload.payload
        : payload.kind === "icmpv6" && payload.body.type === "other"
          ? payload.body.payload
          : undefined;
    assert.ok(quote);
    const quoted = Buffer.from(quote);
    assert.deepEqual(quoted.subarray(family === 4 ? 16 : 24, family === 4 ? 20 : 40), Buffer.from(asked.address.bytes()));
    assert.equal(quoted.readUInt16BE(quoted.length - 6), 5_353);
  }
});

test("where the client sent to is what the tracker read first; of replies and unknown packets nothing", () => {
  const tracked = { ct_state: 0x21n, ct_nw_dst: 0x0a600009n, ct_nw_proto: 6n, ct_tp_dst: 80n } satisfies Match;
  assert.deepEqual(askedDestination(tracked), { address: parseAddress("10.96.0.9"), port: 80 });
  assert.deepEqual(askedDestination({ ...tracked, ct_nw_proto: 1n }), { address: parseAddress("10.96.0.9") });
  assert.equal(askedDestination({ ...tracked, ct_state: 0x29n }), undefined);
  assert.equal(askedDestination({ ...tracked, ct_state: 0n }), undefined);
  assert.equal(askedDestination({ ct_state: 0x21n }), undefined);
});

test("the answer leaves by the port that the packet came in by, to who is behind it", () => {
  const pod = parseMac("0a:00:00:00:00:77");
  const linkOf = (port: number) =>
    port === 5 ? ({ kind: "direct", mac: pod } as const) : port === 9 ? ({ kind: "tunnel" } as const) : undefined;
  const back = (metadata: Match) => wayBack({ packet: packet(4, tcp({})), metadata }, { because: "a policy forbids it", linkOf });
  const direct = back({ in_port: 5n });
  assert.deepEqual(direct?.actions, [{ type: "output", port: 5 }]);
  assert.equal(String(decodeFrame(direct.packet)?.destination), String(pod));
  assert.deepEqual(back({ in_port: 9n, tun_src: 0x01020304n })?.actions, [
    { type: "set_field", field: "tun_dst", value: 0x01020304n },
    { type: "output", port: 9 },
  ]);
  assert.equal(back({ in_port: 9n }), undefined);
  assert.equal(back({ in_port: 6n }), undefined);
});
