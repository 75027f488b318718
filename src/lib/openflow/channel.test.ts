import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { OutOfBytes, Writer } from "#lib/bytes/index.ts";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { connectOpenFlow, type OpenFlowConnection } from "./connection.ts";
import { parseFlow } from "./flow.ts";
import { readBundleControl, writeBundleControl } from "./messages/bundle.ts";
import { readAggregate, readFlowEntries, readFlowRemoved } from "./messages/flow-stats.ts";
import { createFrameDecoder } from "./messages/frames.ts";
import { readGroups } from "./messages/group-mod.ts";
import { emptyMessage, endMessage, type Message, messageType, startMessage } from "./messages/header.ts";
import { readMeters } from "./messages/meter-mod.ts";
import { readFlowUpdates } from "./messages/monitor.ts";
import { readPacketIn, readPacketIn2 } from "./messages/packet.ts";
import { readPortStatus, readPorts } from "./messages/port.ts";
import { readError, readFeatures, readTables, writeHello } from "./messages/session.ts";

/** The far end of a connection: answers what a switch must answer, and records all. */
interface FakeSwitch {
  readonly stream: Duplex;
  readonly received: Message[];
  send(write: (writer: Writer) => void): void;
  /** Replaces the default answer to a type of message. */
  readonly answers: Map<number, (message: Message) => void>;
}

function fakeSwitch(): { readonly near: Duplex; readonly far: FakeSwitch } {
  const [near, stream] = duplexPair();
  const decoder = createFrameDecoder();
  const received: Message[] = [];
  const send = (write: (writer: Writer) => void): void => {
    const writer = new Writer();
    write(writer);
    stream.write(writer.result());
  };
  const answers = new Map<number, (message: Message) => void>([
    [messageType.hello, () => send((writer) => writeHello(writer, 1))],
    [
      messageType.featuresRequest,
      ({ xid }) =>
        send((writer) => {
          const start = startMessage(writer, messageType.featuresReply, xid);
          writer.uint64(5n).zeros(4).uint8(254).zeros(11);
          endMessage(writer, start);
        }),
    ],
    [messageType.barrierRequest, ({ xid }) => send((writer) => emptyMessage(writer, messageType.barrierReply, xid))],
    [messageType.echoRequest, ({ xid }) => send((writer) => emptyMessage(writer, messageType.echoReply, xid))],
    [
      messageType.bundleControl,
      ({ xid, body }) => {
        const { bundle, type } = readBundleControl(body);
        if (type !== 0) send((writer) => writeBundleControl(writer, type + 1, bundle, xid));
      },
    ],
  ]);
  stream.on("data", (chunk: Uint8Array) => {
    for (const message of decoder.push(chunk).messages) {
      received.push(message);
      answers.get(message.type)?.(message);
    }
  });
  return { near, far: { stream, received, send, answers } };
}

async function connected(): Promise<{ connection: OpenFlowConnection; far: FakeSwitch; runtime: ReturnType<typeof virtualRuntime> }> {
  const { near, far } = fakeSwitch();
  const runtime = virtualRuntime({ seed: 1 });
  return { connection: await connectOpenFlow({ runtime, socket: near }), far, runtime };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a silent switch is asked for an echo, and gone when it does not answer", async () => {
  const { connection, far, runtime } = await connected();
  const echoes = (): number => far.received.filter(({ type }) => type === messageType.echoRequest).length;
  runtime.clock.advance(seconds(5));
  await settled();
  await connection.barrier();
  assert.equal(echoes(), 1);
  far.answers.delete(messageType.echoRequest);
  runtime.clock.advance(seconds(10));
  await settled();
  far.answers.delete(messageType.barrierRequest);
  const waiting = assert.rejects(connection.barrier(), { code: "OPENFLOW_CONNECTION_LOST" });
  runtime.clock.advance(seconds(10));
  assert.match((await connection.closed).message, /no answer to an echo request/);
  await waiting;
  await assert.rejects(connection.barrier(), { code: "OPENFLOW_CONNECTION_LOST" });
});

test("an echo request is answered with its own bytes", async () => {
  const { far } = await connected();
  const answered = new Promise<Message>((resolve) => far.answers.set(messageType.echoReply, resolve));
  far.send((writer) => {
    const start = startMessage(writer, messageType.echoRequest, 77);
    writer.bytes(Uint8Array.of(1, 2, 3));
    endMessage(writer, start);
  });
  const { xid, body } = await answered;
  assert.deepEqual([xid, [...body]], [77, [1, 2, 3]]);
});

test("a message shorter than its header ends the connection", async () => {
  const { connection, far } = await connected();
  far.stream.write(Uint8Array.from([6, 0, 0, 4, 0, 0, 0, 0]));
  assert.match((await connection.closed).message, /less than its header/);
});

test("an answer that is cut short rejects, and the connection goes on", async () => {
  const { connection, far } = await connected();
  far.answers.set(messageType.multipartRequest, ({ xid }) =>
    far.send((writer) => {
      const start = startMessage(writer, messageType.multipartReply, xid);
      writer.uint16(1).uint16(0).zeros(4).uint16(56).zeros(4);
      endMessage(writer, start);
    }),
  );
  await assert.rejects(Array.fromAsync(connection.dumpFlows()), { code: "MALFORMED_REPLY" });
  far.send((writer) => {
    const start = startMessage(writer, messageType.packetIn, 0);
    endMessage(writer, start);
  });
  await connection.barrier();
});

test("a dump that nobody reads to its end is left behind", async () => {
  const { connection, far } = await connected();
  far.answers.set(messageType.multipartRequest, ({ xid }) => {
    for (const more of [1, 0])
      far.send((writer) => {
        const start = startMessage(writer, messageType.multipartReply, xid);
        writer.uint16(1).uint16(more).zeros(4);
        // One flow in table 4: head, empty match, empty counters, no instructions.
        writer.uint16(40).zeros(2).uint8(4).zeros(19).uint16(1).uint16(4).zeros(4).uint16(0).uint16(4).zeros(4);
        endMessage(writer, start);
      });
  });
  const flows = await Array.fromAsync(connection.dumpFlows());
  assert.deepEqual(
    flows.map(({ table }) => table),
    [4, 4],
  );
  for await (const flow of connection.dumpFlows()) {
    assert.equal(flow.table, 4);
    break;
  }
  await connection.barrier();
});

test("a greeting that never comes, or is given up, rejects", async () => {
  for (const giveUp of [false, true]) {
    const [near] = duplexPair();
    const runtime = virtualRuntime({ seed: 1 });
    const controller = new AbortController();
    const connecting = connectOpenFlow({ runtime, socket: near, signal: controller.signal });
    await settled();
    if (giveUp) controller.abort(new Error("no longer wanted"));
    else runtime.clock.advance(seconds(20));
    await assert.rejects(connecting, giveUp ? { message: "no longer wanted" } : { code: "OPENFLOW_CONNECTION_LOST" });
  }
});

test("after a failed bundle the next one is not committed", async () => {
  const { connection, far } = await connected();
  const commits: number[] = [];
  far.answers.set(messageType.bundleControl, ({ xid, body }) => {
    const { bundle, type } = readBundleControl(body);
    if (type === 4) commits.push(bundle);
    if (type === 4)
      far.send((writer) => {
        const start = startMessage(writer, messageType.error, xid);
        writer.uint16(17).uint16(13);
        endMessage(writer, start);
      });
    else if (type !== 0) far.send((writer) => writeBundleControl(writer, type + 1, bundle, xid));
  });
  const mods = Array.from({ length: 4_001 }, (_, index) => ({
    command: "add" as const,
    flow: parseFlow(`priority=${index} actions=drop`),
  }));
  await assert.rejects(connection.flows(mods), { code: "OPENFLOW_ERROR", message: "the switch refused a bundle: OFPBFC_MSG_FAILED" });
  assert.equal(commits.length, 1);
});

test("messages come out whole however the stream is cut", () => {
  const message = fc.tuple(fc.integer({ min: 0, max: 35 }), fc.integer({ min: 0, max: 0xffffffff }), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (messages, cuts) => {
      const writer = new Writer();
      for (const [type, xid, body] of messages) {
        const start = startMessage(writer, type, xid);
        writer.bytes(body);
        endMessage(writer, start);
      }
      const bytes = writer.result();
      const decoder = createFrameDecoder();
      const out: Message[] = [];
      for (let start = 0, index = 0; start < bytes.length; index++) {
        const end = start + (cuts[index % cuts.length] ?? 1);
        out.push(...decoder.push(bytes.subarray(start, end)).messages);
        start = end;
      }
      assert.deepEqual(
        out.map(({ type, xid, body }) => [type, xid, [...body]]),
        messages.map(([type, xid, body]) => [type, xid, [...body]]),
      );
    }),
  );
});

test("arbitrary bytes are a message or cut short, nothing else", () => {
  const readers = [
    readAggregate,
    readBundleControl,
    readError,
    readFeatures,
    readFlowEntries,
    readFlowRemoved,
    readFlowUpdates,
    readGroups,
    readMeters,
    readPacketIn,
    readPacketIn2,
    readPortStatus,
    readPorts,
    readTables,
  ];
  // Small numbers make lengths that fit, so that the readers get far.
  const byte = fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.integer({ max: 64, min: 0 }) },
    fc.integer({ max: 255, min: 0 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...readers), fc.array(byte, { maxLength: 160 }), (read, bytes) => {
      try {
        read(Uint8Array.from(bytes));
      } catch (error) {
        assert.ok(error instanceof OutOfBytes);
      }
    }),
    { numRuns: 5_000 },
  );
});
