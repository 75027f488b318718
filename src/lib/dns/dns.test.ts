import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { Resolver } from "node:dns/promises";
import { createServer } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress } from "#lib/ip/index.ts";
import {
  type AnswerRecord,
  addressQuery,
  canonicalName,
  classIn,
  createMessageSplitter,
  createNameReader,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  framed,
  labelsOf,
  recordType,
} from "./index.ts";
import { anyMessage, anyName } from "./testing/arbitrary.ts";

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
const decoded = (bytes: Uint8Array): DnsMessage => {
  const result = decodeMessage(bytes);
  assert.ok(result.ok, result.ok ? "" : result.reason);
  return result.message;
};
const reason = (bytes: Uint8Array): string | undefined => {
  const result = decodeMessage(bytes);
  return result.ok ? undefined : result.reason;
};

// Header: an answer with one question and the given number of answers.
const header = (answers: number): string => `1234 8180 0001 ${answers.toString(16).padStart(4, "0")} 0000 0000`;
const question = "0377777707 6578616d706c65 03636f6d 00 0001 0001";

test("a message of RFC 1035's form: alias, addresses of both families, EDNS behind an authority record", () => {
  const message = decoded(
    bytesOf(`1234 8180 0001 0003 0001 0001 ${question}
      c00c 0005 0001 0000001e 0004 01 65 c010
      c02d 0001 0001 00000005 0004 0a000001
      c02d 001c 0001 ffffffff 0010 fd000000000000000000000000000001
      c010 0002 0001 0000003c 0002 c00c
      00 0029 04d0 01000000 0000`),
  );
  assert.deepEqual(message, {
    id: 0x1234,
    response: true,
    opcode: 0,
    recursionDesired: true,
    recursionAvailable: true,
    rcode: 16,
    questions: [{ name: "www.example.com", type: recordType.a, class: classIn }],
    answers: [
      { kind: "alias", name: "www.example.com", class: 1, ttl: 30, target: "e.example.com" },
      { kind: "address", name: "e.example.com", class: 1, ttl: 5, address: parseAddress("10.0.0.1") },
      { kind: "address", name: "e.example.com", class: 1, ttl: 0, address: parseAddress("fd00::1") },
    ],
    edns: { udpPayload: 1_232, version: 0 },
  });
});

test("what is malformed is refused by the part that is", () => {
  const record = "c00c 0001 0001 00000005 0004 0a000001";
  const cases: readonly (readonly [what: string, bytes: string, reason: string | undefined])[] = [
    ["no header", "1234 8180", "too short"],
    ["a header alone that promises", header(1), "a question is malformed"],
    ["a question cut short", `${header(0)} 03777777 00 0001`, "a question is malformed"],
    ["a label that leads out", `${header(0)} 3f777777 00 0001 0001`, "a question is malformed"],
    ["a label of an unknown kind", `${header(0)} 4177 00 0001 0001`, "a question is malformed"],
    ["a name that points to itself", `${header(0)} c00c 0001 0001`, "a question is malformed"],
    ["two names that point at each other", `${header(0)} c00e c00c 0001 0001`, "a question is malformed"],
    ["a name whose end points to its beginning", `${header(0)} 0161 c00c 0001 0001`, "a question is malformed"],
    ["a pointer forward", `${header(0)} c020 0001 0001`, "a question is malformed"],
    ["fewer answers than counted", `${header(2)} ${question} ${record}`, "an answer is malformed"],
    ["an address of three bytes", `${header(1)} ${question} c00c 0001 0001 00000005 0003 0a0000`, "an answer is malformed"],
    ["data beyond the end", `${header(1)} ${question} c00c 0010 0001 00000005 ffff 00`, "an answer is malformed"],
    ["an alias that is longer than its data", `${header(1)} ${question} c00c 0005 0001 00000005 0001 0161 00`, "an answer is malformed"],
    ["an authority record that is not there", `1234 8180 0001 0001 0001 0000 ${question} ${record}`, undefined],
    ["an additional record that leads out", `1234 8180 0001 0001 0000 0001 ${question} ${record} 00 0029 0200 00000000 0fff`, undefined],
    ["an address of another class", `${header(1)} ${question} c00c 0001 0003 00000005 0003 0a0000`, undefined],
  ];
  for (const [what, bytes, expected] of cases) assert.equal(reason(bytesOf(bytes)), expected, what);
  assert.equal(reason(new Uint8Array(0x1_0000)), "too long");
  const long = Buffer.concat([
    bytesOf(header(0)),
    ...Array.from({ length: 4 }, () => Buffer.from(`\x3f${"a".repeat(63)}`)),
    Buffer.alloc(5),
  ]);
  assert.equal(reason(long), "a question is malformed");
});

test("a label with a dot is not two labels, one with a star no pattern", () => {
  const message = decoded(bytesOf(`${header(0)} 0a 6769746875622e636f6d 01 2a 00 0001 0001`));
  assert.equal(message.questions[0]?.name, "github\\046com.\\042");
  assert.deepEqual(labelsOf("github\\046com.\\042")?.map(String), [String([...Buffer.from("github.com")]), "42"]);
});

test("names compare without case and without the final dot", () => {
  assert.equal(canonicalName("WwW.eXample.COM."), "www.example.com");
  assert.equal(canonicalName("a"), "a");
  for (const bad of ["a..b", ".a", "a\\", "a\\12", "a\\256", "ä"]) assert.equal(labelsOf(bad), undefined, bad);
});

test("every message comes back from its bytes", () => {
  fc.assert(
    fc.property(anyMessage, (message) => assert.deepEqual(decoded(encodeMessage(message)), message)),
    { numRuns: 500 },
  );
});

test("what does not fit says so", () => {
  const ask =
    (name: string): (() => Uint8Array) =>
    () =>
      encodeMessage(addressQuery({ id: 1, name, family: 4, udpPayload: 1_232 }));
  for (const name of ["a".repeat(64), Array.from({ length: 5 }, () => "b".repeat(63)).join("."), "a..b"])
    assert.throws(ask(name), { code: "UNENCODABLE_DNS_MESSAGE" });
});

test("any and damaged bytes are a message or refused, and a message encodes again unless a name is", () => {
  const damaged = fc
    .tuple(anyMessage, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
    .map(([message, faults, cut]) => {
      const bytes = encodeMessage(message).slice();
      for (const [place, value] of faults) bytes[place % bytes.length] = value;
      return bytes.subarray(0, bytes.length - (cut % 7 === 0 ? cut % bytes.length : 0));
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), damaged), (bytes) => {
      const result = decodeMessage(bytes);
      if (!result.ok) return;
      const again = decodeMessage(encodeMessage({ edns: { udpPayload: 512, version: 0 }, ...result.message }));
      assert.ok(again.ok);
      assert.deepEqual(again.message.answers, result.message.answers);
    }),
    { numRuns: 2_000 },
  );
});

test("the reader of names agrees with a plain one on any bytes", () => {
  const plain = (bytes: Uint8Array, offset: number): string | undefined => {
    const labels: Uint8Array[] = [];
    let at = offset;
    let start = offset;
    let length = 1;
    for (;;) {
      const first = bytes[at];
      if (first === undefined) return undefined;
      if (first === 0) return Buffer.concat(labels.flatMap((label) => [Uint8Array.of(label.length), label])).toString("hex");
      if (first >= 0xc0) {
        const low = bytes[at + 1];
        if (low === undefined) return undefined;
        at = (first & 0x3f) * 256 + low;
        if (at >= start) return undefined;
        start = at;
      } else {
        length += first + 1;
        if (first > 63 || at + first >= bytes.length || length > 255) return undefined;
        labels.push(bytes.slice(at + 1, at + 1 + first));
        at += 1 + first;
      }
    }
  };
  const hex = (name: string | undefined): string | undefined =>
    name === undefined
      ? undefined
      : Buffer.concat((labelsOf(name) ?? []).flatMap((label) => [Uint8Array.of(label.length), label])).toString("hex");
  const byte = fc.oneof(fc.nat(4), fc.constantFrom(0xc0, 0xc1, 0x61, 0x40), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 40 }), fc.array(fc.nat(45), { maxLength: 20 }), (input, offsets) => {
      const bytes = Uint8Array.from(input);
      const names = createNameReader(bytes);
      for (const offset of offsets) assert.equal(hex(names.read(offset)?.name), plain(bytes, offset), `at ${offset}`);
    }),
    { numRuns: 2_000 },
  );
});

test("a stream in any pieces gives the messages that went in, and keeps no more than one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 })),
      (messages, cuts) => {
        const stream = Buffer.concat(messages.map(framed));
        const splitter = createMessageSplitter();
        const found: Uint8Array[] = [];
        let at = 0;
        for (const cut of [...cuts, stream.length]) {
          found.push(...splitter.push(stream.subarray(at, at + cut)).map((message) => message.slice()));
          assert.ok(splitter.kept <= 42);
          at += cut;
        }
        assert.deepEqual(
          found.map((bytes) => [...bytes]),
          messages.map((bytes) => [...bytes]),
        );
      },
    ),
  );
});

test("a resolver that is not ours understands our answers, over UDP and, when they are truncated, over TCP", async () => {
  const addresses = Array.from({ length: 60 }, (_, index) => parseAddress(`fd00::${(index + 1).toString(16)}`));
  const respond = (bytes: Uint8Array, { udp }: { readonly udp: boolean }): Uint8Array => {
    const { id, questions } = decoded(bytes);
    const name = questions[0]?.name ?? "";
    const answers: AnswerRecord[] = [
      { kind: "alias", name, class: classIn, ttl: 9, target: "E.cdn.example" },
      ...addresses.map((address) => ({ kind: "address", name: "e.cdn.example", class: classIn, ttl: 7, address }) as const),
    ];
    return encodeMessage({ id, response: true, opcode: 0, rcode: 0, questions, ...(udp ? { truncated: true, answers: [] } : { answers }) });
  };
  const udp = createSocket("udp4");
  udp.on("message", (bytes, from) => udp.send(respond(bytes, { udp: true }), from.port, from.address));
  const tcp = createServer((socket) => {
    const splitter = createMessageSplitter();
    socket.on("data", (chunk: Uint8Array) => {
      for (const message of splitter.push(chunk)) socket.end(framed(respond(message, { udp: false })));
    });
  });
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address() as { port: number };
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  try {
    const resolver = new Resolver();
    resolver.setServers([`127.0.0.1:${port}`]);
    const found = await resolver.resolve6("www.example.com", { ttl: true });
    assert.deepEqual(found.map(({ address }) => address).sort(), addresses.map(String).sort());
    assert.ok(found.every(({ ttl }) => ttl === 7));
  } finally {
    udp.close();
    tcp.close();
  }
});

test("names encode to what they are read as", () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const query = addressQuery({ id: 7, name, family: 6, udpPayload: 1_232 });
      assert.deepEqual(decoded(encodeMessage(query)), query);
    }),
  );
});
