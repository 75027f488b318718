import assert from "node:assert/strict";
import { test } from "node:test";
import { type Change, createTable } from "./table.ts";

interface Port {
  readonly name: string;
  readonly bridge: string;
}

const ports = () => createTable<Port>({ name: "ports", key: (row) => row.name, indexes: { bridge: (row) => [row.bridge] } });

test("an index follows every change", () => {
  const table = ports();
  table.upsert({ name: "a", bridge: "br-int" });
  table.upsert({ name: "b", bridge: "br-int" });
  table.upsert({ name: "a", bridge: "br-phy" });
  assert.deepEqual(table.by("bridge", "br-int"), [{ name: "b", bridge: "br-int" }]);
  table.delete("b");
  assert.deepEqual(table.by("bridge", "br-int"), []);
});

test("a subscriber with replay sees the same rows as the table, in the end", () => {
  const table = ports();
  table.upsert({ name: "a", bridge: "x" });
  const seen = new Map<string, Port>();
  const stop = table.subscribe(({ key, after }: Change<Port>) => void (after ? seen.set(key, after) : seen.delete(key)), { replay: true });
  table.replace([
    { name: "b", bridge: "y" },
    { name: "c", bridge: "y" },
  ]);
  assert.deepEqual([...seen.values()], [...table.rows()]);
  stop();
  table.delete("b");
  assert.equal(seen.size, 2);
});

test("synced means that every announced source has delivered", async () => {
  const table = ports();
  assert.equal(table.synced, false);
  const first = table.initializer("first");
  const second = table.initializer("second");
  first();
  assert.equal(table.synced, false);
  const waiting = table.whenSynced();
  second();
  await waiting;
  assert.equal(table.synced, true);
});

test("rows are frozen", () => {
  const table = ports();
  table.upsert({ name: "a", bridge: "x" });
  assert.throws(() => Object.assign(table.get("a") ?? {}, { bridge: "y" }), TypeError);
});
