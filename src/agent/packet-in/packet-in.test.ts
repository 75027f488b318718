import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compilePacketInMeters, toController } from "#core/pipeline/packet-in/index.ts";
import { flow } from "#core/pipeline/flow-builder.ts";
import { createPipeline, type LocalPort } from "#core/pipeline/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import type { ControllerAction } from "#lib/openflow/action.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { decodeFrame, encodeFrame } from "#lib/packet/index.ts";
import { milliseconds, seconds, seededRandom, silentLogger, systemClock, virtualClock } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { createAllowance } from "./allowance.ts";
import { createFairQueue } from "./fair-queue.ts";
import { answerRejected, dispatchPacketIns, type PacketInFigures, senderBehind } from "./index.ts";

test("senders are served in turn; who sends most loses its own", () => {
  const queue = createFairQueue<string>({ perSender: 3, total: 5 });
  const push = (sender: number, item: string) => queue.push(sender, item)?.lost;
  assert.deepEqual(
    ["a1", "a2", "a3", "a4"].map((item) => push(1, item)),
    [undefined, undefined, undefined, 1],
  );
  assert.deepEqual([push(2, "b1"), push(3, "c1")], [undefined, undefined]);
  // Full: the longest gives way to one that has less.
  assert.equal(push(2, "b2"), 1);
  const order = Array.from({ length: 6 }, () => queue.take());
  assert.deepEqual(order, ["a1", "b1", "c1", "a2", "b2", undefined]);
});

test("any order of pushes keeps the bounds and each sender's own order, and loses of the longest only", () => {
  const bounds = { perSender: 4, total: 9 };
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat(4), fc.constant("take" as const)), { maxLength: 200 }), (steps) => {
      const queue = createFairQueue<{ sender: number; count: number }>(bounds);
      const model = new Map<number, number[]>();
      let count = 0;
      for (const step of steps) {
        if (step === "take") {
          const taken = queue.take();
          if (taken === undefined) assert.equal([...model.values()].flat().length, 0);
          else assert.equal(model.get(taken.sender)?.shift(), taken.count);
        } else {
          const item = { sender: step, count: count++ };
          const most = Math.max(0, ...[...model.values()].map(({ length }) => length));
          const lost = queue.push(step, item)?.lost;
          const own = model.get(step) ?? [];
          model.set(step, own);
          if (lost !== step) own.push(item.count);
          if (lost !== undefined && lost !== step) {
            assert.equal(model.get(lost)?.length, most);
            model.get(lost)?.pop();
          }
        }
        assert.equal(queue.size, [...model.values()].flat().length);
        assert.ok(queue.size <= bounds.total && [...model.values()].every(({ length }) => length <= bounds.perSender));
      }
    }),
    { numRuns: 300 },
  );
});

test("who comes by the tunnel is told apart by its address, who comes by another port is not", () => {
  const sender = senderBehind({ ofport: 9 });
  const of = (port: number, source: string): number => {
    const from = parseAddress(source);
    const payload = { kind: "other", protocol: 47, bytes: new Uint8Array(4) } as const;
    const packet = encodeFrame({
      source: pod.mac,
      destination: pod.mac,
      payload:
        from.family === 4
          ? { kind: "ipv4", source: from, destination: from, ttl: 1, payload }
          : { kind: "ipv6", source: from, destination: from, hopLimit: 1, payload },
    });
    return sender({ packet, fullLength: packet.length, metadata: { in_port: BigInt(port) } });
  };
  assert.deepEqual([of(2, "10.0.0.1"), of(2, "10.0.0.2"), of(2, "fd00::1")], [2, 2, 2]);
  const behind = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"].map((source) => of(9, source));
  assert.equal(new Set([...behind, 9, 2]).size, 6);
  assert.equal(sender({ packet: new Uint8Array(3), fullLength: 3, metadata: { in_port: 9n } }), 9);
});

test("an allowance is a rate, or a share of the processor", () => {
  // Time stands still; the event loop turns.
  const clock = { ...virtualClock(), soon: systemClock.soon };
  const rate = createAllowance({ kind: "rate", perSecond: 10, burst: 2 }, clock);
  const takes = (): boolean => {
    const admitted = rate.admits();
    if (admitted) rate.spent(0);
    return admitted;
  };
  assert.deepEqual([takes(), takes(), takes()], [true, true, false]);
  clock.advance(milliseconds(100));
  assert.deepEqual([takes(), takes()], [true, false]);

  const share = createAllowance({ kind: "share", share: 0.08 }, clock);
  let busy = 0;
  for (let turn = 0; turn < 100_000; turn++) {
    if (share.admits()) {
      share.spent(0.2);
      busy += 0.2;
    }
    clock.advance(milliseconds(0.1));
  }
  // Ten seconds at 8 %, and what is there at the start.
  assert.ok(busy > 790 && busy < 890, `${busy} ms`);
});

const pod: LocalPort = {
  interfaceName: "a",
  ofport: 2,
  mac: parseMac("0a:00:00:00:00:02"),
  addresses: ["10.10.0.2", "fd00::2"].map(parseAddress),
  podNamespace: "shop",
  podName: "a",
  containerId: "a",
};

const sendAll = (action: ControllerAction) =>
  ({
    command: "add",
    flow: flow(createPipeline(), "PipelineRootClassifier", { priority: "normal", cookie: 7n, match: {}, actions: [action], next: "sent" }),
  }) as const;

/** A switch in memory whose first table sends all to the agent. */
function sending(action = toController("reject")) {
  // Time stands still; the event loop turns.
  const clock = { ...virtualClock(), soon: systemClock.soon };
  const memory = createMemorySwitch({ clock, random: seededRandom(1), ports: [{ number: 2 }, { number: 3 }] });
  const sent: { port: number; frame: Uint8Array }[] = [];
  memory.apply([sendAll(action)]);
  const connection = memoryConnection(memory, { clock, onSent: ({ outputs }) => void sent.push(...outputs) });
  const syn = (inPort: number): void => {
    const frame = encodeFrame({
      source: pod.mac,
      destination: parseMac("0e:00:00:00:00:01"),
      payload: {
        kind: "ipv4",
        source: parseAddress("10.10.0.2"),
        destination: parseAddress("10.10.0.9"),
        ttl: 64,
        payload: {
          kind: "tcp",
          sourcePort: 1_000,
          destinationPort: 80,
          sequence: 41,
          acknowledgment: 0,
          flags: ["syn"],
          window: 0,
          payload: new Uint8Array(0),
        },
      },
    });
    connection.deliver(memory.process({ inPort, frame }));
  };
  return { clock, memory, connection, sent, syn, runtime: { clock, random: seededRandom(1), logger: silentLogger } };
}

const settled = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise(setImmediate);
};

test("what a rule rejects is answered to its sender, on the switch in memory as well", async () => {
  const { connection, sent, syn, runtime } = sending();
  const stop = new AbortController();
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  ports.upsert(pod);
  const { figures } = answerRejected({
    runtime,
    connect: () => Promise.resolve(connection),
    ports,
    gateway: { ofport: 9, mac: parseMac("0e:00:00:00:00:01") },
    rate: 10,
    signal: stop.signal,
  });
  await settled(() => figures().connected);
  for (let turn = 0; turn < 30; turn++) syn(2);
  await settled(() => figures().waiting === 0);
  assert.deepEqual([figures().handled, figures().overAllowance, sent.length], [20, 10, 20]);
  const answer = decodeFrame(sent[0]?.frame ?? new Uint8Array(0));
  assert.ok(sent[0]?.port === 2 && answer?.payload.kind === "ipv4" && answer.payload.payload.kind === "tcp");
  assert.deepEqual([String(answer.payload.source), answer.payload.payload.acknowledgment], ["10.10.0.9", 42]);
  // From a port that nobody has any more.
  syn(3);
  await settled(() => figures().waiting === 0);
  assert.equal(sent.length, 20);
  stop.abort();
});

test("packets of other categories are left alone, a handler that fails harms no other packet", async () => {
  const { connection, syn, runtime } = sending(toController("auditLog"));
  const stop = new AbortController();
  const figures: (() => PacketInFigures)[] = [];
  const handled: string[] = [];
  for (const category of ["auditLog", "reject"] as const)
    figures.push(
      dispatchPacketIns({
        runtime,
        category,
        connect: () => Promise.resolve(connection),
        limits: { perSender: 10, total: 10 },
        allowance: { kind: "unlimited" },
        handle: () => {
          handled.push(category);
          if (handled.length === 1) throw new Error("no");
        },
        signal: stop.signal,
      }).figures,
    );
  await settled(() => figures.every((each) => each().connected));
  for (let turn = 0; turn < 12; turn++) syn(2);
  await settled(() => figures[0]?.().waiting === 0);
  assert.deepEqual(handled, new Array(10).fill("auditLog"));
  assert.deepEqual(figures[0]?.(), { connected: true, handled: 9, failed: 1, overflowed: 2, overAllowance: 0, waiting: 0 });
  stop.abort();
});

test("each category has a meter of its own", async () => {
  const { memory, connection, clock, syn } = sending();
  await connection.meters(compilePacketInMeters(5).map((meter) => ({ command: "add", meter })));
  const metered = toController("reject", { metered: true });
  memory.apply([sendAll(metered)]);
  let heard = 0;
  connection.onPacketIn(() => heard++);
  clock.advance(seconds(10));
  for (let turn = 0; turn < 50; turn++) syn(2);
  assert.equal(heard, 10);
  assert.deepEqual(compilePacketInMeters(0), []);
});
