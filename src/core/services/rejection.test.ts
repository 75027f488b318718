import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { decodeFrame, encodeFrame, type EthernetFrame, type TcpSegment, type TransportPacket } from "#lib/packet/index.ts";
import { rejectionOf } from "./index.ts";

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
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void rejectionOf(bytes)));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
      const broken = good.slice();
      broken[at] = value;
      rejectionOf(broken.subarray(0, length));
    }),
  );
});
