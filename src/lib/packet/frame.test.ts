import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { Writer } from "#lib/bytes/index.ts";
import { IpAddress, MacAddress, parseAddress, parseMac } from "#lib/ip/index.ts";
import { crc32c } from "./checksum.ts";
import {
  announcement,
  decodeFrame,
  type EthernetFrame,
  encodeFrame,
  neighborReply,
  neighborRequest,
  type TransportPacket,
  tcpFlags,
} from "./index.ts";

const one = { mac: parseMac("0a:00:00:00:00:01"), address: parseAddress("10.0.0.1") };
const two = { mac: parseMac("0a:00:00:00:00:02"), address: parseAddress("10.0.0.2") };
const six = { mac: one.mac, address: parseAddress("fd00::1") };
const otherSix = { mac: two.mac, address: parseAddress("fd00::ab:cdef") };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const overIpv4 = (payload: TransportPacket): EthernetFrame => ({
  destination: two.mac,
  source: one.mac,
  payload: { kind: "ipv4", source: one.address, destination: two.address, ttl: 64, payload },
});
const overIpv6 = (payload: TransportPacket): EthernetFrame => ({
  destination: two.mac,
  source: one.mac,
  payload: { kind: "ipv6", source: six.address, destination: otherSix.address, hopLimit: 64, payload },
});
const syn: TransportPacket = {
  kind: "tcp",
  sourcePort: 1_000,
  destinationPort: 80,
  sequence: 0,
  acknowledgment: 0,
  flags: ["syn"],
  window: 0,
  payload: new Uint8Array(0),
};

// What `ovs-ofctl compose-packet` makes of the same fields.
const vectors: readonly (readonly [name: string, frame: EthernetFrame, hex: string])[] = [
  [
    "a TCP SYN",
    overIpv4(syn),
    "0a00000000020a000000000108004500002800000000400666ce0a0000010a00000203e8005000000000000000005002000097a80000",
  ],
  [
    "an echo request",
    overIpv4({ kind: "icmp", type: 8, code: 0, rest: 0, payload: Uint8Array.from({ length: 64 }, (_, index) => index) }),
    "0a00000000020a000000000108004500005c000000004001669f0a0000010a000002080013fc00000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
  ],
  [
    "an ARP request",
    neighborRequest(one, two.address),
    "ffffffffffff0a0000000001080600010800060400010a00000000010a0000010000000000000a000002",
  ],
];
for (const [name, frame, bytes] of vectors)
  test(`${name} has the bytes that ovs-ofctl gives it`, () => {
    assert.equal(hex(encodeFrame(frame)), bytes);
    assert.deepEqual(decodeFrame(bytesOf(bytes)), frame);
  });

test("tcpdump understands our packets and finds their checksums right", () => {
  const dump = (frames: readonly EthernetFrame[]): string[] => {
    const file = new Writer();
    file.uint32(0xa1b2c3d4).uint16(2).uint16(4).zeros(8).uint32(0xffff).uint32(1);
    for (const frame of frames) {
      const bytes = encodeFrame(frame);
      file.zeros(8).uint32(bytes.length).uint32(bytes.length).bytes(bytes);
    }
    const { stdout } = spawnSync("tcpdump", ["-n", "-t", "-vv", "-r", "-"], { input: file.result(), encoding: "utf8" });
    // A packet's further lines are indented.
    return stdout.trimEnd().replaceAll(/\n\s+/g, " ").split("\n");
  };
  const udp: TransportPacket = { kind: "udp", sourcePort: 7, destinationPort: 9, payload: Uint8Array.of(1, 2, 3) };
  const init: TransportPacket = {
    kind: "sctp",
    sourcePort: 7,
    destinationPort: 9,
    verificationTag: 0,
    chunks: [{ type: 1, flags: 0, value: Uint8Array.from([0, 0, 0, 5, 0, 0, 255, 255, 0, 1, 0, 1, 0, 0, 0, 9]) }],
  };
  const printed = dump([
    overIpv6(syn),
    overIpv6(udp),
    overIpv4(udp),
    overIpv4(init),
    announcement(one),
    announcement(six),
    neighborRequest(six, otherSix.address),
    neighborReply(otherSix, six),
    neighborReply(two, one),
    {
      ...overIpv6(udp),
      vlans: [{ id: 5, priority: 3 }],
      payload: {
        kind: "ipv6",
        source: six.address,
        destination: parseAddress("ff02::1"),
        hopLimit: 255,
        payload: {
          kind: "icmpv6",
          body: {
            type: "router_advertisement",
            hopLimit: 64,
            managed: true,
            lifetime: 1_800,
            reachableTime: 0,
            retransmitTime: 0,
            options: [
              {
                type: "prefix",
                prefix: parseAddress("fd00::"),
                length: 64,
                onLink: true,
                autonomous: true,
                validLifetime: 7_200,
                preferredLifetime: 3_600,
              },
              { type: "mtu", mtu: 1_450 },
            ],
          },
        },
      },
    },
  ]);
  const expected = [
    /fd00::1\.1000 > fd00::ab:cdef\.80: Flags \[S\], cksum 0x[0-9a-f]{4} \(correct\)/,
    /fd00::1\.7 > fd00::ab:cdef\.9: \[udp sum ok\]/,
    /10\.0\.0\.1\.7 > 10\.0\.0\.2\.9: \[udp sum ok\]/,
    /10\.0\.0\.1\.7 > 10\.0\.0\.2\.9: sctp.*\[INIT\] \[init tag: 5\]/,
    /Request who-has 10\.0\.0\.1 tell 10\.0\.0\.1/,
    /fd00::1 > ff02::1: \[icmp6 sum ok\] ICMP6, neighbor advertisement.*tgt is fd00::1, Flags \[override\].*0a:00:00:00:00:01/,
    /fd00::1 > ff02::1:ffab:cdef: \[icmp6 sum ok\] ICMP6, neighbor solicitation.*who has fd00::ab:cdef/,
    /fd00::ab:cdef > fd00::1: \[icmp6 sum ok\] ICMP6, neighbor advertisement.*Flags \[solicited, override\]/,
    /Reply 10\.0\.0\.2 is-at 0a:00:00:00:00:02/,
    /\[icmp6 sum ok\] ICMP6, router advertisement.*Flags \[managed\].*router lifetime 1800s.*fd00::\/64, Flags \[onlink, auto\], valid time 7200s, pref\. time 3600s.*mtu option.*1450/,
  ];
  assert.equal(printed.length, expected.length);
  for (const [index, pattern] of expected.entries()) assert.match(printed[index] ?? "", pattern);
});

test("CRC32c has the check value of its catalogue", () => assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283));

const record = <T extends object>(model: { readonly [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });
const v4 = fc.bigInt({ min: 0n, max: 0xffff_ffffn }).map((value) => new IpAddress(4, value));
const v6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => new IpAddress(6, value));
const mac = fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }).map((value) => new MacAddress(value));
const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
const bytes = fc.uint8Array({ maxLength: 60 });
const optional = <Key extends string, T>(key: Key, value: fc.Arbitrary<T>): fc.Arbitrary<{ readonly [K in Key]?: T }> =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : ({ [key]: found } as { readonly [K in Key]?: T })));
const merged = <T extends object[]>(...parts: { [Index in keyof T]: fc.Arbitrary<T[Index]> }): fc.Arbitrary<object> =>
  fc.tuple(...parts).map((found) => Object.assign({}, ...found) as object);

const neighborOption = fc.oneof(
  mac.map((address) => ({ type: "source_link_address" as const, mac: address })),
  mac.map((address) => ({ type: "target_link_address" as const, mac: address })),
  uint(32).map((mtu) => ({ type: "mtu" as const, mtu })),
  fc.uint8Array({ minLength: 6, maxLength: 6 }).map((value) => ({ type: "other" as const, number: 24, bytes: value })),
);
const transport = fc.oneof(
  merged(
    record({
      kind: fc.constant("tcp"),
      sourcePort: uint(16),
      destinationPort: uint(16),
      sequence: uint(32),
      acknowledgment: uint(32),
      window: uint(16),
      payload: bytes,
    }),
    fc.subarray([...tcpFlags]).map((flags) => ({ flags })),
    optional("options", fc.uint8Array({ minLength: 8, maxLength: 8 })),
    optional("urgentPointer", fc.integer({ min: 1, max: 0xffff })),
  ),
  record({ kind: fc.constant("udp"), sourcePort: uint(16), destinationPort: uint(16), payload: bytes }),
  record({
    kind: fc.constant("sctp"),
    sourcePort: uint(16),
    destinationPort: uint(16),
    verificationTag: uint(32),
    chunks: fc.array(record({ type: uint(8), flags: uint(8), value: bytes }), { maxLength: 3 }),
  }),
  record({ kind: fc.constant("icmp"), type: uint(8), code: uint(8), rest: uint(32), payload: bytes }),
  record({
    kind: fc.constant("icmpv6"),
    body: fc.oneof(
      record({ type: fc.constant("other"), number: fc.integer({ min: 1, max: 132 }), code: uint(8), rest: uint(32), payload: bytes }),
      record({ type: fc.constant("router_solicitation"), options: fc.array(neighborOption, { maxLength: 2 }) }),
      record({ type: fc.constant("neighbor_solicitation"), target: v6, options: fc.array(neighborOption, { maxLength: 2 }) }),
      merged(
        record({ type: fc.constant("neighbor_advertisement"), target: v6, options: fc.array(neighborOption, { maxLength: 2 }) }),
        optional("router", fc.constant(true)),
        optional("override", fc.constant(true)),
      ),
    ),
  }),
  record({ kind: fc.constant("other"), protocol: fc.constantFrom(2, 47, 50, 89), bytes }),
) as fc.Arbitrary<TransportPacket>;
const ipv4 = merged(
  record({ kind: fc.constant("ipv4"), source: v4, destination: v4, ttl: uint(8), payload: transport }),
  optional("dscp", fc.integer({ min: 1, max: 63 })),
  optional("ecn", fc.integer({ min: 1, max: 3 })),
  optional("identification", fc.integer({ min: 1, max: 0xffff })),
  optional("dontFragment", fc.constant(true)),
  optional("options", fc.uint8Array({ minLength: 4, maxLength: 4 })),
);
const extension = fc.oneof(
  record({ header: fc.constantFrom(0, 43, 60), bytes: fc.uint8Array({ minLength: 14, maxLength: 14 }) }),
  record({ header: fc.constant(44), offset: fc.constant(0), more: fc.constant(false), identification: uint(32) }),
);
const ipv6 = merged(
  record({ kind: fc.constant("ipv6"), source: v6, destination: v6, hopLimit: uint(8), payload: transport }),
  optional("trafficClass", fc.integer({ min: 1, max: 255 })),
  optional("flowLabel", fc.integer({ min: 1, max: 0xfffff })),
  optional("extensions", fc.array(extension, { minLength: 1, maxLength: 3 })),
);
const arp = record({
  kind: fc.constant("arp"),
  operation: uint(16),
  senderMac: mac,
  senderAddress: v4,
  targetMac: mac,
  targetAddress: v4,
});
const other = record({ kind: fc.constant("other"), etherType: fc.constantFrom(0x88cc, 0x8847), bytes });
const anyFrame = merged(
  record({ destination: mac, source: mac, payload: fc.oneof(ipv4, ipv6, arp, other) }),
  optional("vlans", fc.array(record({ id: uint(12) }), { minLength: 1, maxLength: 2 })),
) as fc.Arbitrary<EthernetFrame>;

test("every frame comes back from its bytes, with its checksums right", () => {
  fc.assert(
    fc.property(anyFrame, (frame) => assert.deepEqual(decodeFrame(encodeFrame(frame)), frame)),
    { numRuns: 500 },
  );
});

test("arbitrary and damaged bytes are a frame or too short; a frame encodes again", () => {
  const damaged = fc.tuple(anyFrame, fc.nat(), uint(8), fc.nat()).map(([frame, place, value, cut]) => {
    const encoded = encodeFrame(frame);
    encoded[place % encoded.length] = value;
    return encoded.subarray(0, 1 + (cut % encoded.length));
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), damaged), (input) => {
      const frame = decodeFrame(input);
      if (frame === undefined) return;
      assert.deepEqual(decodeFrame(encodeFrame(frame))?.source, frame.source);
    }),
    { numRuns: 2_000 },
  );
});

test("a wrong checksum is told, and a fragment's payload is left alone", () => {
  const bad = encodeFrame(overIpv4(syn));
  bad[bad.length - 1] = 7;
  const decoded = decodeFrame(bad);
  assert.deepEqual(decoded, overIpv4({ ...syn, urgentPointer: 7, badChecksum: true }));

  const fragment: EthernetFrame = {
    ...overIpv4(syn),
    payload: {
      kind: "ipv4",
      source: one.address,
      destination: two.address,
      ttl: 64,
      moreFragments: true,
      payload: { kind: "other", protocol: 6, bytes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    },
  };
  assert.deepEqual(decodeFrame(encodeFrame(fragment)), fragment);
});

test("padding is dropped, and a cut inner layer is kept as bytes that are malformed", () => {
  const padded = Uint8Array.from([...encodeFrame(announcement(one)), ...new Uint8Array(18)]);
  assert.deepEqual(decodeFrame(padded), announcement(one));

  const whole = encodeFrame(overIpv4({ kind: "udp", sourcePort: 1, destinationPort: 2, payload: new Uint8Array(0) }));
  whole[39] = 99; // The datagram says it is longer than its packet.
  const payload = decodeFrame(whole)?.payload;
  assert.ok(payload?.kind === "ipv4");
  assert.deepEqual(payload.payload, { kind: "other", protocol: 17, bytes: whole.slice(34), malformed: true });
  assert.deepEqual(decodeFrame(whole.subarray(0, 30))?.payload, {
    kind: "other",
    etherType: 0x0800,
    bytes: whole.slice(14, 30),
    malformed: true,
  });
  assert.equal(decodeFrame(whole.subarray(0, 13)), undefined);
});

test("what does not fit says so", () => {
  assert.throws(() => encodeFrame(overIpv4({ kind: "udp", sourcePort: 1, destinationPort: 2, payload: new Uint8Array(65_530) })), {
    code: "UNENCODABLE_PACKET",
  });
  assert.throws(() => encodeFrame(overIpv4({ ...syn, options: new Uint8Array(3) })), { code: "UNENCODABLE_PACKET" });
});
