import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { decodeAddress, encodeAddAddress } from "./address.ts";
import { decodeConntrack, encodeGetConntrack } from "./conntrack.ts";
import { decodeLink, encodeCreateVeth, encodeGetLink } from "./link.ts";
import { type Decoded, decodeAttributes, flag, type Message, MessageWriter, splitMessages } from "./message.ts";
import { decodeNeighbour, encodeReplaceNeighbour } from "./neighbour.ts";
import { decodeRoute, encodeReplaceRoute } from "./route.ts";
import { decodeEvents } from "./watch.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function only(bytes: Uint8Array): Message {
  const split = splitMessages(bytes);
  assert.ok(split.ok && split.value.length === 1);
  return split.value[0] as Message;
}

function decodedValue<T>(decoded: Decoded<T>): T {
  assert.ok(decoded.ok, JSON.stringify(decoded));
  return decoded.value;
}

describe("requests are laid out as the headers of the kernel say", () => {
  it("get link by name", () => {
    const expected = `30000000${"1200"}${"0500"}${"00".repeat(8)}${"00".repeat(16)}${"0800030065746800"}${"08001d0008000000"}`;
    assert.equal(hex(encodeGetLink({ name: "eth" })), expected);
  });

  it("add an IPv6 address without duplicate detection", () => {
    const address = { linkIndex: 7, address: parseAddress("fd00::2"), prefixLength: 64, noDuplicateDetection: true };
    const bytes = "fd000000000000000000000000000002";
    const expected = `48000000${"1400"}${"0505"}${"00".repeat(8)}${"0a400000"}${"07000000"}14000200${bytes}14000100${bytes}0800080082000000`;
    assert.equal(hex(encodeAddAddress(address)), expected);
  });

  it("default route through a gateway", () => {
    const route = encodeReplaceRoute({ destination: parsePrefix("0.0.0.0/0"), gateway: parseAddress("10.0.0.1"), linkIndex: 3 });
    assert.equal(
      hex(route),
      `34000000${"1800"}${"0505"}${"00".repeat(8)}${"02000000"}${"fe030001"}${"00000000"}080005000a000001080004000300000008000f00fe000000`,
    );
  });

  it("veth pair whose peer is born elsewhere, and never up before its other end is there", () => {
    const bytes = encodeCreateVeth({ name: "a", up: true }, { name: "b", up: true, namespaceFd: 9 });
    const text = hex(bytes);
    assert.ok(text.includes("0900010076657468"), "kind veth");
    assert.ok(text.includes("08001c0009000000"), "namespace of the peer by descriptor");
    assert.equal(text.split("0100000001000000").length, 2, "one interface is set up, not two");
  });
});

describe("what is written can be read", () => {
  it("a message of any length, whatever it grows by", () => {
    const part = fc.oneof(fc.uint8Array({ maxLength: 300, size: "max" }), fc.nat(0xff), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30, size: "max" }), (parts) => {
        const writer = new MessageWriter(1, 0);
        for (const [type, part] of parts.entries()) {
          if (typeof part !== "number") writer.attribute(type, part);
          else if (part <= 0xff) writer.attributeUint8(type, part);
          else writer.attributeUint16(type, part);
        }
        const attributes = decodedValue(decodeAttributes(only(writer.result()).payload));
        for (const [type, part] of parts.entries()) {
          if (typeof part !== "number") assert.deepEqual(Buffer.from(attributes.bytes(type) ?? []), Buffer.from(part));
          else assert.equal(part <= 0xff ? attributes.uint8(type) : attributes.uint16(type), part);
        }
      }),
    );
  });

  it("route, address, neighbour", () => {
    const route = {
      destination: parsePrefix("fd00:1::/64"),
      gateway: parseAddress("fd00:1::1"),
      linkIndex: 4,
      onLink: true,
      source: parseAddress("fd00::1"),
      table: 1000,
      protocol: 200,
      metric: 50,
      scope: "universe",
      type: "unicast",
    } as const;
    assert.deepEqual(decodedValue(decodeRoute(only(encodeReplaceRoute(route)))), route);
    const address = { linkIndex: 4, address: parseAddress("10.0.0.2"), prefixLength: 24 };
    assert.deepEqual(decodedValue(decodeAddress(only(encodeAddAddress(address)))), { ...address, scope: "universe", tentative: false });
    const neighbour = { linkIndex: 4, address: parseAddress("fe80::1"), mac: parseMac("aa:bb:cc:dd:ee:ff") };
    assert.deepEqual(decodedValue(decodeNeighbour(only(encodeReplaceNeighbour(neighbour)))), { ...neighbour, permanent: true });
  });

  it("attributes of any size, nested ones too", () => {
    const attribute = fc.record({ type: fc.integer({ min: 1, max: 0x3fff }), payload: fc.uint8Array({ maxLength: 300, size: "max" }) });
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 20 }), (attributes) => {
        const writer = new MessageWriter(1, flag.ack);
        writer.nested(9, () => {
          for (const { type, payload } of attributes) writer.attribute(type, payload);
        });
        const outer = decodedValue(decodeAttributes(only(writer.result()).payload));
        assert.deepEqual(
          outer.nested(9).list.map(({ type, payload }) => [type, hex(payload)]),
          attributes.map(({ type, payload }) => [type, hex(payload)]),
        );
      }),
    );
  });
});

describe("decoders are total", () => {
  const decoders = [decodeLink, decodeAddress, decodeRoute, decodeNeighbour, decodeConntrack];

  it("say what is wrong", () => {
    assert.deepEqual(splitMessages(Buffer.alloc(3)), { ok: false, reason: "3 bytes where a header of 16 should be" });
    assert.deepEqual(splitMessages(Buffer.from("ff".repeat(16), "hex")), { ok: false, reason: "message of 4294967295 bytes, 16 left" });
    assert.deepEqual(splitMessages(Buffer.alloc(16)), { ok: false, reason: "message of 0 bytes, 16 left" });
    assert.deepEqual(decodeAttributes(Buffer.from("0300010000", "hex")), { ok: false, reason: "attribute of 3 bytes, 5 left" });
    assert.deepEqual(decodeRoute({ type: 24, flags: 0, sequence: 0, payload: Buffer.alloc(5) }), {
      ok: false,
      reason: "route message of 5 bytes",
    });
  });

  it("take arbitrary bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        splitMessages(bytes);
        decodeEvents(bytes);
        for (const decode of decoders) decode({ type: 16, flags: 0, sequence: 1, payload: bytes });
      }),
    );
  });

  it("take well-formed messages with any byte changed or cut", () => {
    const messages = [
      encodeCreateVeth({ name: "a", mtu: 1450, mac: parseMac("02:00:00:00:00:01") }, { name: "b" }),
      encodeReplaceRoute({ destination: parsePrefix("10.0.0.0/8"), gateway: parseAddress("10.0.0.1"), metric: 3 }),
      encodeGetConntrack({ source: parseAddress("10.0.0.1"), role: "initiator" }),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...messages), fc.nat(), fc.nat(255), fc.nat(), (original, at, value, cut) => {
        const bytes = original.slice(0, original.length - (cut % 8));
        bytes[at % bytes.length] = value;
        decodeEvents(bytes);
        for (const decode of decoders) decode({ type: 16, flags: 0, sequence: 1, payload: bytes.subarray(16) });
      }),
    );
  });
});
