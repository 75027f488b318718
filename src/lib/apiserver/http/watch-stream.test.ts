import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { test } from "node:test";
import { createTurns, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import type { WatchSink } from "../resource-store.ts";
import type { Rendering } from "./rendering.ts";
import { parseTarget, type ResourceTarget } from "./target.ts";
import { streamWatch } from "./watch-stream.ts";

/** An answer that takes what it is given. */
class QuickResponse extends Writable {
  writeHead(): void {}
  flushHeaders(): void {}

  override _write(_piece: Buffer, _encoding: string, done: () => void): void {
    done();
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
async function begin({ first }: { readonly first: readonly string[] }) {
  const clock = virtualClock();
  const response = new QuickResponse();
  const gone = new AbortController();
  const watch = { clock, response, gone, stopped: 0 };
  const began = Promise.withResolvers<WatchSink>();
  await streamWatch({
    exchange: {
      response: response as unknown as ServerResponse,
      target: parseTarget("GET", "/api/v1/things?watch=true") as ResourceTarget,
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
