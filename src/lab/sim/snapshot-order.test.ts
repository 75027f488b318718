import assert from "node:assert/strict";
import { test } from "node:test";
import { linesOf } from "#agent/policies/snapshot-content.ts";
import { piecesOf } from "#agent/policies/snapshot-lines.ts";
import { sampleSnapshot } from "#agent/policies/testing/sample-snapshot.ts";
import { policy } from "#agent/testing/policies.ts";
import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import { virtualClock } from "#lib/runtime/index.ts";
import { createSnapshotOrder } from "./snapshot-order.ts";

const piecesWith = (...policies: readonly NetworkPolicy[]) => piecesOf(linesOf({ ...sampleSnapshot, policies }));
const [one, newer, other] = [policy("a", { generation: 1 }), policy("a", { generation: 2 }), policy("b", { generation: 5 })];

test("a policy that goes back is told, also when its line is one that there was before", () => {
  const order = createSnapshotOrder({ clock: virtualClock() });
  const told = (): number => order.violations.length;
  order.written("n1", piecesWith(one, other));
  order.written("n1", piecesWith(other, newer));
  order.written("n1", piecesWith(newer));
  // Another node may be behind.
  order.written("n2", piecesWith(one));
  assert.equal(told(), 0);
  order.written("n1", piecesWith(one));
  assert.deepEqual(
    order.violations.map(({ text }) => text),
    ["n1 has generation 1 of policy a in its snapshot, and had 2 before"],
  );
});

test("what builds from before there were lines write is looked at too", () => {
  const order = createSnapshotOrder({ clock: virtualClock() });
  const text = (generation: number): string => `format\n{"policies":[{"metadata":{"name":"a","uid":"a","generation":${generation}}}]}\n`;
  order.written("n1", text(2));
  order.written("n1", piecesWith(newer));
  assert.equal(order.violations.length, 0);
  order.written("n1", text(1));
  assert.equal(order.violations.length, 1);
});
