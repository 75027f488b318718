import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "#lib/kube/types.ts";
import type { Selection } from "../resource-store.ts";
import { createFiledWatchers } from "./filed-watchers.ts";
import type { Watcher } from "./watcher.ts";

interface Placed extends KubeObject {
  readonly node: string;
}

const placed = (node: string): Placed => ({ metadata: { name: "web" }, node });
const definition = { selectableFields: { "spec.nodeName": (object: KubeObject) => (object as Placed).node } };
const none: Selection = { labelSelector: [], fieldSelector: [] };
const onNode = (value: string, equal = true): Selection => ({ ...none, fieldSelector: [{ path: "spec.nodeName", equal, value }] });
const watcher = (): Watcher => ({ present() {}, changed() {}, bookmark() {}, close() {} });

test("a change concerns those who ask for the value that a field has or had, and those who ask for no single one", () => {
  const watchers = createFiledWatchers(() => definition);
  const [everything, elsewhere, first, second, third] = [watcher(), watcher(), watcher(), watcher(), watcher()];
  watchers.add(everything, none);
  watchers.add(elsewhere, onNode("a", false));
  watchers.add(first, onNode("a"));
  const stop = watchers.add(second, onNode("b"));
  watchers.add(third, onNode("c"));
  const of = (...objects: readonly (KubeObject | undefined)[]) => [...watchers.of(objects)];
  assert.deepEqual(new Set(of(undefined, placed("a"))), new Set([everything, elsewhere, first]));
  assert.equal(of(placed("a"), placed("a")).length, 3, "each once");
  assert.deepEqual(
    new Set(of(placed("a"), placed("b"))),
    new Set([everything, elsewhere, first, second]),
    "it moves from one to the other",
  );
  stop();
  stop();
  assert.deepEqual(new Set(of(placed("b"), undefined)), new Set([everything, elsewhere]));
  assert.equal([...watchers.all()].length, 4);
  assert.throws(() => watchers.add(second, { ...none, fieldSelector: [{ path: "spec.colour", equal: true, value: "red" }] }), {
    httpStatus: 400,
  });
});
