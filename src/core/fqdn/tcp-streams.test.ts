import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { framed } from "#lib/dns/index.ts";
import type { TcpFlag, TcpSegment } from "#lib/packet/index.ts";
import { createTcpStreams } from "./index.ts";

const segment = (sequence: number, payload: Uint8Array, flags: readonly TcpFlag[] = ["ack"]): TcpSegment => ({
  kind: "tcp",
  sourcePort: 53,
  destinationPort: 40_000,
  sequence: sequence >>> 0,
  acknowledgment: 1,
  flags,
  window: 0,
  payload,
});
const none = new Uint8Array(0);
const syn = (sequence: number): TcpSegment => segment(sequence, none, ["syn", "ack"]);

test("segments in any order, repeated and overlapping, give each message once, with the segment that completes it", () => {
  const cut = fc.record({ start: fc.nat(200), length: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
      fc.array(cut, { maxLength: 30 }),
      fc.constantFrom(0, 7, 0xffff_fff0),
      (messages, cuts, first) => {
        const stream = Buffer.concat(messages.map(framed));
        const streams = createTcpStreams();
        streams.push("c", syn(first - 1));
        const seen = new Set<number>();
        const found: number[][] = [];
        const pieces = [...cuts.filter(({ start }) => start < stream.length), { start: 0, length: stream.length }];
        for (const { start, length } of pieces) {
          const payload = stream.subarray(start, start + length);
          for (let at = start; at < start + payload.length; at++) seen.add(at);
          let whole = 0;
          while (seen.has(whole)) whole++;
          found.push(...streams.push("c", segment(first + start, payload)).messages.map((message) => [...message]));
          // What lies in one piece from the beginning is what a client has.
          const ends = messages.map((_, index) => Buffer.concat(messages.slice(0, index + 1).map(framed)).length);
          assert.equal(found.length, ends.filter((end) => end <= whole).length);
        }
        assert.deepEqual(
          found,
          messages.map((message) => [...message]),
        );
      },
    ),
    { numRuns: 400 },
  );
});

test("what is kept is bounded, and a connection that is lost for it says so", () => {
  const streams = createTcpStreams({ connections: 2, earlyBytes: 10 });
  for (const name of ["a", "b", "c"]) streams.push(name, syn(0));
  assert.equal(streams.connections, 2);
  assert.deepEqual(streams.push("c", segment(5, new Uint8Array(8))), { messages: [], unreadable: false });
  assert.deepEqual(streams.push("c", segment(50, new Uint8Array(8))), { messages: [], unreadable: true });
  assert.equal(streams.push("c", segment(1, framed(Uint8Array.of(1)))).unreadable, true);
  // A new connection with the same ports begins anew; a reset ends one.
  streams.push("c", syn(100));
  assert.deepEqual(streams.push("c", segment(101, framed(Uint8Array.of(1)))).messages.length, 1);
  streams.push("c", segment(104, none, ["rst"]));
  assert.equal(streams.connections, 1);
});

test("a connection that began before is read from its next segment on", () => {
  const streams = createTcpStreams();
  assert.equal(streams.push("x", segment(7_000, framed(Uint8Array.of(9)))).messages.length, 1);
});
