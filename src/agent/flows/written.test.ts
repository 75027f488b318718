import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlowIdentity } from "#core/pipeline/flow-ledger.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { createWritten } from "./written.ts";

const flow = (table: number, port: number): Flow => ({ table, priority: 7, cookie: 1n, match: { in_port: BigInt(port) }, actions: [] });
const ports = (taken: ReadonlyMap<FlowIdentity, Flow> | undefined): unknown =>
  taken && [...taken.values()].map(({ match }) => match.in_port);

test("tables that were read once are read again where they were written, each write once", () => {
  const written = createWritten([1, 2, 3], flowKey);
  written.note([flow(1, 1)]);
  assert.equal(written.take([1, 2]), undefined);
  assert.deepEqual(ports(written.take([1, 2])), []);
  written.note([flow(1, 2), flow(2, 3), flow(3, 4), flow(1, 2)]);
  assert.deepEqual(ports(written.take([1])), [2n]);
  assert.deepEqual(ports(written.take([1, 2])), [3n]);
});

test("one more table, and everything is read", () => {
  const written = createWritten([1, 2, 3], flowKey);
  written.take([1]);
  assert.equal(written.take([1, 3]), undefined);
  assert.deepEqual(ports(written.take([1, 3])), []);
});

test("tables in which others may change what the switch does not tell are read whole", () => {
  const written = createWritten([1], flowKey);
  written.take([1]);
  written.note([flow(1, 1)]);
  assert.equal(written.take([1, 2]), undefined);
  assert.equal(written.take([2]), undefined);
  assert.deepEqual(ports(written.take([1])), [1n]);
});

test("what was taken and is in doubt, or was too much to note, leads to a whole reading", () => {
  const written = createWritten([1, 2, 3], flowKey);
  written.take([1]);
  written.forget();
  assert.equal(written.take([1]), undefined);
  written.note(Array.from({ length: 10_001 }, (_, port) => flow(1, port)));
  assert.equal(written.take([1]), undefined);
  assert.deepEqual(ports(written.take([1])), []);
});
