import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualRuntime } from "#lib/runtime/index.ts";
import { keepCacheFresh } from "./fresh-cache.ts";

test("who waits for a fresh cache shares the purge to come, and hears when there is none", async () => {
  const runtime = virtualRuntime({ seed: 1 });
  const purges: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const cache = keepCacheFresh({
    runtime,
    onInForce: () => () => {},
    purge: () => new Promise((resolve, reject) => purges.push({ resolve, reject })),
    signal: new AbortController().signal,
  });
  const two = [cache.whenFresh(), cache.whenFresh()];
  runtime.clock.advance(1_000);
  assert.equal(purges.length, 1);
  const later = cache.whenFresh();
  purges[0]?.resolve();
  await Promise.all(two);
  runtime.clock.advance(1_000);
  purges[1]?.reject(new Error("no such socket"));
  await assert.rejects(later, /no such socket/);
});

test("changes close together share one purge; later ones get their own; one more follows the last; none comes after the end", () => {
  const runtime = virtualRuntime({ seed: 1 });
  const listeners = new Set<() => void>();
  const change = (): void => {
    for (const listener of listeners) listener();
  };
  const stopping = new AbortController();
  let purges = 0;
  keepCacheFresh({
    runtime,
    onInForce: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    purge: () => {
      purges++;
      return Promise.resolve();
    },
    signal: stopping.signal,
  });
  change();
  change();
  runtime.clock.advance(1_000);
  assert.equal(purges, 1);
  change();
  runtime.clock.advance(1_000);
  assert.equal(purges, 2);
  runtime.clock.advance(60_000);
  assert.equal(purges, 3);
  change();
  stopping.abort();
  runtime.clock.advance(60_000);
  assert.equal(purges, 3);
  assert.equal(listeners.size, 0);
});
