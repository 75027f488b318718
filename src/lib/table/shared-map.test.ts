import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { seededRandom } from "#lib/runtime/index.ts";
import { createSharedMap, shareRows } from "./shared-map.ts";

shareRows();

const contentOf = <Key extends string | number, Value>(map: Iterable<readonly [Key, Value]>): (readonly [Key, Value])[] =>
  [...map].sort(([one], [other]) => (one < other ? -1 : 1));

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a shared map holds what a map holds, through any changes and turns", async () => {
  const random = seededRandom(7);
  for (const keyOf of [(number: number) => `key ${number}`, (number: number) => number - 500]) {
    const shared = createSharedMap<string | number, object>();
    const plain = new Map<string | number, object>();
    // First more and more, then fewer: parts are split and joined.
    for (let step = 0; step < 6_000; step++) {
      const key = keyOf(random.below(1_000));
      if (random.below(10) < (step < 3_000 ? 8 : 1)) {
        const value = { step };
        shared.set(key, value);
        plain.set(key, value);
      } else assert.equal(shared.delete(key), plain.delete(key));
      if (random.below(50) === 0) await turn();
      const other = keyOf(random.below(1_000));
      assert.equal(shared.get(other), plain.get(other));
      assert.equal(shared.has(other), plain.has(other));
      assert.equal(shared.size, plain.size);
      if (step % 500 === 0) assert.deepEqual(contentOf(shared), contentOf(plain));
    }
    assert.deepEqual([...shared.keys()].sort(), [...plain.keys()].sort());
    assert.equal(new Set(shared.values()).size, new Set(plain.values()).size);
    for (const key of plain.keys()) shared.delete(key);
    assert.deepEqual([...shared], []);
  }
});

test("maps of the same rows come in the same order, however they were filled, and a change of one is none of the other", async () => {
  const values = Array.from({ length: 500 }, (_, number) => ({ number }));
  const [one, other] = [createSharedMap<string, object>(), createSharedMap<string, object>()];
  for (const value of values) one.set(`key ${value.number}`, value);
  for (const value of values.toReversed()) other.set(`key ${value.number}`, value);
  await turn();
  assert.deepEqual([...one], [...other]);
  const before = contentOf(one);
  other.set("key 7", {});
  other.delete("key 8");
  assert.deepEqual(contentOf(one), before);
  await turn();
  assert.equal(one.get("key 7"), values[7]);
  assert.equal(other.has("key 8"), false);
});

test("hundreds of maps of the same rows take hardly more memory than one", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const rows = Array.from(
    { length: 3_000 },
    (_, number) => [`a key as long as those of flows, of which this is number ${number}`, { number }] as const,
  );
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  const maps = [];
  for (let index = 0; index < 300; index++) {
    const map = createSharedMap<string, object>();
    // Each lacks one, as each node is not among its others.
    for (const [key, value] of rows) if (value.number !== index) map.set(key, value);
    await turn();
    maps.push(map);
  }
  const each = (heap() - before) / maps.length;
  // In maps of their own they would be 120 kB; the list of parts is 2 kB.
  assert.ok(each < 20_000, `${each} bytes for each map`);
  assert.equal(maps.at(-1)?.size, 2_999);
});

test("keys of one hash are all found", () => {
  // Found by trying: FNV-1a gives the same for both.
  const keys = ["costarring", "liquid", "declinate", "macallums"];
  const map = createSharedMap<string, number>();
  for (const [index, key] of keys.entries()) map.set(key, index);
  assert.deepEqual(
    keys.map((key) => map.get(key)),
    [0, 1, 2, 3],
  );
  map.delete("liquid");
  assert.deepEqual(
    keys.map((key) => map.get(key)),
    [0, undefined, 2, 3],
  );
});

test("a map that changes while it is read is read as it was, part by part", () => {
  const map = createSharedMap<number, number>();
  for (let number = 0; number < 1_000; number++) map.set(number, number);
  let seen = 0;
  for (const [key] of map) {
    map.delete(key);
    seen++;
  }
  assert.equal(seen, 1_000);
  assert.equal(map.size, 0);
});
