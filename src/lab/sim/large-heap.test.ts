import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("testing/fill-heap.ts", import.meta.url));
const { NODE_OPTIONS: _, ...environment } = process.env;
const run = (...args: readonly string[]) => spawnSync(process.execPath, [program, ...args], { encoding: "utf8", env: environment });

test("a program runs again with the heap that it asked for, and its exit code is told", () => {
  const { status, stderr } = run("4");
  assert.deepEqual({ status, stderr }, { status: 5, stderr: "" });
});

test("that the heap is full is told with the way out", () => {
  const { status, stderr } = run();
  assert.equal(status, 1);
  assert.match(stderr, /said: the simulation takes more than the 0\.1 GiB that its heap may have: use fewer --nodes or --pods/);
});
