import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createTurns, seededRandom, seconds, virtualClock } from "#lib/runtime/index.ts";
import type { WatchSink } from "../resource-store.ts";
import type { Rendering } from "./rendering.ts";
import { parseTarget, type ResourceTarget } from "./target.ts";
import { streamWatch } from "./watch-stream.ts";

/** An answer that takes one piece at a time, when it is told to. */
class SlowResponse extends Writable {
  readonly pieces: Buffer[] = [];
  private done: () => void = () => {};

  writeHead(): void {}
  flushHeaders(): void {}

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.pieces.push(piece);
    this.done = done;
  }

  async take(): Promise<void> {
    this.done();
    await new Promise(setImmediate);
  }
}

const rendering: Rendering = {
  type: "text/plain",
  watchType: "text/plain",
  object: () => "",
  list: () => [],
  event: ({ object }) => Buffer.from(`${(object.metadata as { readonly name?: string }).name}\n`),
};
const named = (name: string) => ({ type: "ADDED", object: { metadata: { name } } }) as const;

/** A watch that begins with `first`; `stopped` counts how often its store was told that it ended. */
async function begin({ first, parameters = "" }: { readonly first: readonly string[]; readonly parameters?: string }) {
  const clock = virtualClock();
  const response = new SlowResponse();
  const gone = new AbortController();
  const watch = { clock, response, gone, stopped: 0 };
  const began = Promise.withResolvers<WatchSink>();
  await streamWatch({
    exchange: {
      response: response as unknown as ServerResponse,
      target: parseTarget("GET", `/api/v1/things?watch=true${parameters}`) as ResourceTarget,
      signal: gone.signal,
      warnings: [],
    },
    handler: {
      watch(_options, sink) {
        for (const name of first) sink.send(named(name));
        began.resolve(sink);
        return () => void watch.stopped++;
      },
    },
    rendering,
    context: {} as never,
    clock,
    random: seededRandom(1),
    endings: createTurns(clock),
  });
  return Object.assign(watch, { sink: await began.promise });
}

test("what a watch begins with leaves in parts of less than a record of TLS, each when the one before it is gone", async () => {
  const { response, sink } = await begin({ first: ["x".repeat(40_000), "second"] });
  assert.equal(response.pieces.length, 1, "the others wait");
  sink.send(named("third"));
  for (const before of [1, 2, 3]) {
    assert.equal(response.pieces.length, before);
    await response.take();
  }
  assert.ok(
    response.pieces.every(({ length }) => length <= 12 * 1024),
    "none is longer",
  );
  assert.equal(Buffer.concat(response.pieces).toString(), `${"x".repeat(40_000)}\nsecond\nthird\n`);
  assert.equal(sink.pendingBytes, response.writableLength);
});

test("a watch that ends by time is over when all that was sent before has left", async () => {
  const { response, sink, clock } = await begin({ first: ["first"], parameters: "&timeoutSeconds=10" });
  sink.send(named("second"));
  clock.advance(seconds(10));
  assert.equal(sink.send(named("late")), false);
  assert.equal(response.writableEnded, false);
  await response.take();
  await response.take();
  assert.equal(Buffer.concat(response.pieces).toString(), "first\nsecond\n");
  assert.equal(response.writableEnded, true);
});

test("its store hears of the end once, whoever ends it, and nothing is left behind", async () => {
  const left = await begin({ first: ["first"] });
  assert.equal(left.stopped, 0, "it goes on");
  left.response.destroy();
  await new Promise(setImmediate);
  left.gone.abort();
  assert.deepEqual([left.stopped, left.clock.next, left.sink.send(named("second"))], [1, undefined, false]);

  const stopped = await begin({ first: [] });
  stopped.gone.abort();
  await new Promise(setImmediate);
  assert.deepEqual([stopped.stopped, stopped.clock.next, stopped.response.writableFinished], [1, undefined, true]);
});
