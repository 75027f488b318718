import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import { type AuditEvent, auditedPacket, auditTime, createAuditMerger, formatAuditEvent } from "./index.ts";

const packet = {
  source: parseAddress("10.10.1.5"),
  sourcePort: 35_402,
  destination: parseAddress("10.10.1.6"),
  destinationPort: 80,
  protocol: "TCP",
  length: 60,
};
const event: AuditEvent = {
  table: "AntreaPolicyIngressRule",
  policy: { type: "AntreaNetworkPolicy", namespace: "ns1", name: "p1", uid: "u" },
  rule: "r1",
  direction: "In",
  disposition: "Drop",
  priority: 44_900,
  appliedTo: { namespace: "ns1", name: "web" },
  packet,
};

test("a line has the fourteen fields, <nil> where there is nothing", () => {
  assert.equal(
    `${auditTime(Date.UTC(2026, 0, 2, 10, 0, 0, 123) + 0.456)} ${formatAuditEvent(event)}`,
    "2026/01/02 10:00:00.123456 AntreaPolicyIngressRule AntreaNetworkPolicy:ns1/p1 r1 Ingress Drop 44900 ns1/web 10.10.1.5 35402 10.10.1.6 80 TCP 60 <nil>",
  );
  const { source, destination } = packet;
  const isolated: AuditEvent = {
    table: "EgressDefaultRule",
    direction: "Out",
    disposition: "Drop",
    packet: { source, destination, protocol: "ICMP", length: 84 },
  };
  assert.equal(
    formatAuditEvent(isolated),
    "EgressDefaultRule K8sNetworkPolicy <nil> Egress Drop <nil> <nil> 10.10.1.5 <nil> 10.10.1.6 <nil> ICMP 84 <nil>",
  );
  const cluster = { type: "AntreaClusterNetworkPolicy", name: "c", uid: "u" } as const;
  assert.match(
    formatAuditEvent({ ...event, policy: cluster, logLabel: "tag", disposition: "Redirect" }),
    / AntreaClusterNetworkPolicy:c r1 Ingress Redirect .* tag$/,
  );
});

test("what a line tells of a packet, by protocol and family", () => {
  const of = (family: 4 | 6, payload: TransportPacket) =>
    auditedPacket(
      encodeFrame({
        source: parseMac("0a:00:00:00:00:01"),
        destination: parseMac("0a:00:00:00:00:02"),
        payload:
          family === 4
            ? { kind: "ipv4", source: parseAddress("10.0.0.1"), destination: parseAddress("10.0.0.2"), ttl: 64, payload }
            : { kind: "ipv6", source: parseAddress("fd00::1"), destination: parseAddress("fd00::2"), hopLimit: 64, payload },
      }),
    );
  const udp = { kind: "udp", sourcePort: 7, destinationPort: 9, payload: new Uint8Array(4) } as const;
  assert.deepEqual(of(4, udp), {
    source: parseAddress("10.0.0.1"),
    destination: parseAddress("10.0.0.2"),
    sourcePort: 7,
    destinationPort: 9,
    protocol: "UDP",
    length: 32,
  });
  assert.equal(of(6, udp)?.length, 52);
  const others: readonly (readonly [4 | 6, TransportPacket, string])[] = [
    [4, { kind: "icmp", type: 8, code: 0, rest: 0, payload: new Uint8Array(0) }, "ICMP"],
    [6, { kind: "icmpv6", body: { type: "other", number: 128, code: 0, rest: 0, payload: new Uint8Array(0) } }, "IPv6-ICMP"],
    [4, { kind: "sctp", sourcePort: 1, destinationPort: 2, verificationTag: 0, chunks: [] }, "SCTP"],
    [4, { kind: "other", protocol: 2, bytes: new Uint8Array(8) }, "IGMP"],
    [4, { kind: "other", protocol: 47, bytes: new Uint8Array(8) }, "UnknownProtocol"],
  ];
  for (const [family, payload, name] of others) {
    const found = of(family, payload);
    assert.deepEqual([found?.protocol, found?.sourcePort], [name, undefined]);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void auditedPacket(bytes)));
});

test("equal denials of a second are one line with their number; what allows is never merged", () => {
  const merger = createAuditMerger();
  const at = Date.UTC(2026, 0, 1);
  for (const after of [0, 10, 999]) merger.note("deny a", { merge: true, now: at + after });
  merger.note("deny b", { merge: true, now: at + 5 });
  for (const after of [1, 2]) merger.note("allow", { merge: false, now: at + after });
  assert.equal(merger.nextDue(), 0);
  assert.deepEqual(merger.take(at + 900), ["2026/01/01 00:00:00.001000 allow", "2026/01/01 00:00:00.002000 allow"]);
  assert.equal(merger.nextDue(), at + 1_000);
  assert.deepEqual(merger.take(at + 1_000.3), ["2026/01/01 00:00:01.000300 deny a [3 packets in 1.0003s]"]);
  // Its second is over: the next one begins anew.
  merger.note("deny a", { merge: true, now: at + 1_001 });
  assert.deepEqual(merger.take(at + 1_005), ["2026/01/01 00:00:01.005000 deny b"]);
  assert.deepEqual(merger.take(at + 2_001), ["2026/01/01 00:00:02.001000 deny a"]);
  assert.equal(merger.nextDue(), undefined);
});

test("no more waits than is allowed; what is lost is counted, what is known already is not", () => {
  const merger = createAuditMerger({ waitingAtMost: 2 });
  const noted = ["a", "b", "c", "a", "b"].map((text) => merger.note(text, { merge: true, now: 0 }));
  assert.deepEqual([noted, merger.lost], [[true, true, false, true, true], 1]);
  assert.deepEqual(
    merger.take(1_000).map((line) => line.slice(27)),
    ["a [2 packets in 1s]", "b [2 packets in 1s]"],
  );
});

test("every noted event is in exactly one line, or counted as lost", () => {
  const step = fc.record({ text: fc.constantFrom("a", "b", "c", "d"), merge: fc.boolean(), pause: fc.nat(700) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const merger = createAuditMerger({ waitingAtMost: 3 });
      let now = 0;
      let told = 0;
      const count = (lines: readonly string[]): void => {
        for (const line of lines) told += Number(/\[(\d+) packets/.exec(line)?.[1] ?? 1);
      };
      for (const { text, merge, pause } of steps) {
        merger.note(text, { merge, now });
        now += pause;
        count(merger.take(now));
      }
      count(merger.take(now + 1_000));
      assert.equal(told + merger.lost, steps.length);
    }),
  );
});
