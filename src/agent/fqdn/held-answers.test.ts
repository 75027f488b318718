import assert from "node:assert/strict";
import { test } from "node:test";
import { createFqdnCache } from "#core/fqdn/index.ts";
import { compileDnsHold, compileDnsReplies } from "#core/pipeline/dns/index.ts";
import { flow, setRegister } from "#core/pipeline/flow-builder.ts";
import { createPipeline } from "#core/pipeline/index.ts";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { classIn, encodeMessage, framed, recordType } from "#lib/dns/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch, memoryConnection, type SwitchPort } from "#lib/openflow/switch/index.ts";
import type { PacketIn } from "#lib/openflow/connection.ts";
import { encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import { milliseconds, seededRandom, silentLogger, virtualClock } from "#lib/runtime/index.ts";
import { createForceGate } from "./force-gate.ts";
import { createHeldAnswers, holdLimit } from "./held-answers.ts";

const pipeline = createPipeline();
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
};

const macOf = (port: number) => parseMac(`0a:00:00:00:00:0${port}`);

/** A switch in memory whose answers to the pods at ports 2 and 3 are held, and an agent whose rules take effect when the test says so. */
function world({ denies = false, holds = true, queuedFor = 0, listener = undefined as number | undefined, rate = 0 } = {}) {
  const clock = virtualClock();
  const memory = createMemorySwitch({ clock, random: seededRandom(1), ports: [{ number: 1 }, { number: 2 }, { number: 3 }] });
  memory.apply(compilePacketInMeters(rate).map((meter) => ({ command: "add" as const, meterMod: { command: "add" as const, meter } })));
  memory.apply([
    ...[2, 3].flatMap((ofport) => [
      {
        command: "add" as const,
        flow: flow(pipeline, "PipelineRootClassifier", {
          priority: "normal",
          cookie: 0n,
          match: { eth_dst: macOf(ofport).value },
          actions: [setRegister("known", 1n), setRegister("outputPort", BigInt(ofport))],
          next: "Output",
        }),
      },
      ...compileDnsReplies(pipeline, { ofport }).map((each) => ({ command: "add" as const, flow: each })),
    ]),
    ...(holds
      ? compileDnsHold(pipeline, { timeoutSeconds: 3, listener, metered: rate > 0, receivers: [2, 3] }).map((each) => ({
          command: "add" as const,
          flow: each,
        }))
      : []),
  ]);
  const left: Uint8Array[] = [];
  const connection = memoryConnection(memory, { clock, onSent: ({ outputs }) => left.push(...outputs.map(({ frame }) => frame)) });
  const cache = createFqdnCache();
  cache.setSet("s", { patterns: ["*.test"], denies }, 0);
  const waiting: (() => void)[] = [];
  const gate = createForceGate({
    whenInForce: () => new Promise((resolve) => waiting.push(resolve)),
    revision: () => cache.revision,
  });
  const answers = createHeldAnswers({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    cache,
    apply: () => {},
    gate,
    podOf: (port) => (port === 2 || port === 3 ? { podNamespace: "shop", podName: "web" } : undefined),
    denies: () => denies,
    trusts: (server) => String(server) !== "10.0.0.66",
  });
  const seen: PacketIn[] = [];
  connection.onPacketIn((packet) => seen.push(packet));
  connection.onPacketIn((packet) => answers.handle(packet, connection, { receivedAt: clock.monotonic() - queuedFor }));
  const receive = (payload: Uint8Array, server = "10.0.0.53", port = 2): void =>
    receivePacket({ kind: "udp", sourcePort: 53, destinationPort: 4_000, payload }, server, port);
  const receivePacket = (payload: TransportPacket, server = "10.0.0.53", port = 2): void => {
    const frame = encodeFrame({
      source: macOf(1),
      destination: macOf(port),
      payload: {
        kind: "ipv4",
        source: parseAddress(server),
        destination: parseAddress(`10.0.0.${port}`),
        ttl: 64,
        payload,
      },
    });
    left.push(...connection.deliver(memory.process({ inPort: 1, frame })).outputs.map(({ frame: bytes }) => bytes));
  };
  const inForce = async (): Promise<void> => {
    for (const resolve of waiting.splice(0)) resolve();
    await settled();
  };
  return { clock, memory, receive, receivePacket, seen, left, inForce, answers, cache };
}

/** A connection that nothing is asked of but to resume. */
const unused = {
  setControllerId: () => Promise.resolve(),
  onPacketIn: () => () => {},
  packetOut: () => Promise.resolve(),
  closed: new Promise<Error>(() => {}),
  close() {},
};

const says = (name: string, address: string): Uint8Array =>
  encodeMessage({
    id: 1,
    response: true,
    opcode: 0,
    rcode: 0,
    questions: [{ name, type: recordType.a, class: classIn }],
    answers: [{ kind: "address", name, class: classIn, ttl: 60, address: parseAddress(address) }],
  });

test("an answer leaves when the rules know its addresses, and at once when they did already", async () => {
  const { receive, left, inForce, answers } = world();
  receive(says("a.test", "10.9.0.1"));
  await settled();
  assert.equal(left.length, 0);
  await inForce();
  assert.equal(left.length, 1);
  receive(says("a.test", "10.9.0.1"));
  await settled();
  assert.equal(left.length, 2);
  receive(says("a.elsewhere", "10.9.0.2"));
  await settled();
  assert.equal(left.length, 3);
  assert.deepEqual([answers.figures().learned, answers.figures().held], [2, 1]);
});

test("answers wait while the agent's port is up, and pass the moment that it is down or gone", async () => {
  const { memory, receive, left } = world({ listener: 3 });
  const [one, two] = [{ number: 1 }, { number: 2 }];
  receive(says("a.test", "10.9.0.1"));
  await settled();
  assert.equal(left.length, 0);
  const without: readonly SwitchPort[][] = [
    [one, two, { number: 3, down: true }],
    [one, two],
  ];
  for (const ports of without) {
    left.splice(0);
    memory.setPorts(ports);
    receive(says("b.test", "10.9.0.2"));
    assert.equal(left.length, 1);
  }
  memory.setPorts([one, two, { number: 3 }]);
  receive(says("c.test", "10.9.0.3"));
  await settled();
  assert.equal(left.length, 1);
});

test("none is lost before its time is over, however many wait", async () => {
  const { receive, seen, inForce, answers, clock } = world({ denies: true });
  receive(says("a.test", "10.9.0.1"));
  const [packet] = seen;
  assert.ok(packet);
  const many = 10_000;
  let resumed = 0;
  const connection = { ...unused, resume: () => Promise.resolve(void resumed++) };
  for (let count = 0; count < many; count++) answers.handle(packet, connection, { receivedAt: clock.monotonic() });
  await settled();
  assert.equal(resumed, 0);
  await inForce();
  assert.equal(resumed, many);
});

test("a pod that asks without end has what is above a quarter of the rate lost, and takes nothing of another's", async () => {
  const { receive, left } = world({ rate: 40 });
  const flood = says("a.elsewhere", "10.9.0.1");
  for (let count = 0; count < 1_000; count++) receive(flood);
  await settled();
  // Ten a second, twice as many at once.
  assert.equal(left.splice(0).length, 20);
  for (let count = 0; count < 20; count++) receive(says("b.elsewhere", "10.9.0.2"), "10.0.0.53", 3);
  await settled();
  assert.equal(left.length, 20);
});

test("several answers over one TCP connection, in one segment and in others, in whatever case: each is learned, and the segment waits for all of it", async () => {
  const { receivePacket, left, inForce, cache } = world();
  const answers = [says("A.tEsT", "10.9.0.1"), says("b.TEST", "10.9.0.2"), says("c.test", "10.9.0.3")].map(framed);
  const stream = Buffer.concat(answers);
  let sequence = 100;
  const send = (payload: Uint8Array): void => {
    const common = { kind: "tcp", sourcePort: 53, destinationPort: 4_000, acknowledgment: 1, flags: ["ack"], window: 100 } as const;
    receivePacket({ ...common, sequence, payload });
    sequence += payload.length;
  };
  const first = (answers[0]?.length ?? 0) + (answers[1]?.length ?? 0);
  send(stream.subarray(0, first));
  await settled();
  assert.deepEqual([left.length, cache.members("s").map(String)], [0, ["10.9.0.1", "10.9.0.2"]]);
  await inForce();
  await inForce();
  assert.equal(left.length, 1);
  send(stream.subarray(first, first + 7));
  await settled();
  assert.equal(left.length, 2);
  send(stream.subarray(first + 7));
  await settled();
  assert.deepEqual([left.length, cache.members("s").length], [2, 3]);
  await inForce();
  assert.equal(left.length, 3);
});

test("an answer waits also for a change that another answer began", async () => {
  const { receive, left, inForce } = world();
  receive(says("a.test", "10.9.0.1"));
  receive(says("b.test", "10.9.0.1"));
  receive(says("c.test", "10.9.0.3"));
  await settled();
  assert.equal(left.length, 0);
  // The second brings what the first one did; the third is a change of its own, behind the one that is under way.
  await inForce();
  assert.equal(left.length, 2);
  await inForce();
  assert.equal(left.length, 3);
});

test("after two seconds an answer is released when only rules that allow name it, else dropped and counted", async () => {
  for (const denies of [false, true]) {
    const { clock, receive, left, inForce, answers } = world({ denies });
    receive(says("a.test", "10.9.0.1"));
    clock.advance(holdLimit - milliseconds(1));
    await settled();
    assert.equal(left.length, 0);
    clock.advance(milliseconds(1));
    await settled();
    assert.equal(left.length, denies ? 0 : 1);
    assert.deepEqual([answers.figures().released, answers.figures().dropped], denies ? [0, 1] : [1, 0]);
    await inForce();
    assert.equal(left.length, denies ? 0 : 1);
  }
});

test("over TCP a segment that is sent again does not carry an answer past the rules, also not once it was dropped", async () => {
  const { clock, receivePacket, left, inForce, answers } = world({ denies: true });
  const segment = (sequence: number, payload: Uint8Array, flags: readonly ("syn" | "ack")[] = ["ack"]): TransportPacket => ({
    kind: "tcp",
    sourcePort: 53,
    destinationPort: 4_000,
    sequence,
    acknowledgment: 1,
    flags,
    window: 100,
    payload,
  });
  const bytes = framed(says("a.test", "10.9.0.1"));
  receivePacket(segment(99, new Uint8Array(0), ["syn", "ack"]));
  receivePacket(segment(100, bytes.subarray(0, 10)));
  await settled();
  assert.equal(left.length, 2);
  receivePacket(segment(110, bytes.subarray(10)));
  receivePacket(segment(110, bytes.subarray(10)));
  await settled();
  assert.equal(left.length, 2);
  clock.advance(holdLimit);
  receivePacket(segment(100, bytes));
  await settled();
  assert.deepEqual([left.length, answers.figures().dropped], [2, 2]);
  await inForce();
  assert.equal(left.length, 3);
  receivePacket(segment(100, bytes));
  await settled();
  assert.equal(left.length, 4);
});

test("waiting for its turn counts", async () => {
  const { receive, left, answers } = world({ queuedFor: holdLimit });
  receive(says("a.test", "10.9.0.1"));
  await settled();
  assert.deepEqual([left.length, answers.figures().released], [1, 1]);
});

test("what is no DNS passes, unless a rule denies names", async () => {
  for (const denies of [false, true]) {
    const { receive, left, answers } = world({ denies });
    receive(Uint8Array.of(1, 2, 3));
    await settled();
    assert.deepEqual([left.length, answers.figures().unreadable], [denies ? 0 : 1, 1]);
  }
});

test("a server that is not believed teaches nothing, and its answers pass", async () => {
  const { receive, left, answers, cache } = world();
  receive(says("a.test", "10.9.0.1"), "10.0.0.66");
  await settled();
  assert.deepEqual([left.length, answers.figures().untrusted, cache.members("s").length], [1, 1, 0]);
});

test("without the flow that holds them, as when no agent keeps it, answers pass", async () => {
  const { receive, left, cache } = world({ holds: false });
  receive(says("a.test", "10.9.0.1"));
  assert.deepEqual([left.length, cache.members("s").length], [1, 0]);
  const lapsing = world();
  lapsing.clock.advance(milliseconds(3_100));
  lapsing.receive(says("a.test", "10.9.0.1"));
  assert.equal(lapsing.left.length, 1);
});
