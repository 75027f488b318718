import assert from "node:assert/strict";
import { test } from "node:test";
import { controlplaneApiVersion } from "#core/api/controlplane/index.ts";
import { decodeSummary } from "#core/statistics/index.ts";
import { forbidden } from "#lib/apiserver/errors.ts";
import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import { createTable } from "#lib/table/index.ts";
import { MulticastGroups } from "./multicast-groups.ts";
import { durationText, nodeLatencyDefinition } from "./node-latency.ts";

const context = {
  user: { username: "agent", groups: [] },
  parameters: new URLSearchParams(),
  signal: new AbortController().signal,
  dryRun: false,
  warn() {},
};
const everything = { labelSelector: [], fieldSelector: [] };

function nodesTable() {
  const nodes = createTable<KubeObject>({ name: "nodes", key: ({ metadata }) => metadata.name ?? "" });
  for (const name of ["a", "b"]) nodes.upsert({ metadata: { name } });
  return nodes;
}

async function listOf({ store }: ResourceDefinition): Promise<readonly KubeObject[]> {
  assert.ok(store !== "durable" && store.list);
  return (await store.list(everything, context)).items;
}

const cells = ({ columns = [] }: ResourceDefinition, object: KubeObject) => columns.map(({ value }) => value(object, 0));

test("the last latencies that a node told are shown, until it is gone", async () => {
  const nodes = nodesTable();
  const definition = nodeLatencyDefinition({
    nodes,
    ownNode(_user, resource, node) {
      if (node !== "a") throw forbidden({ group: "", resource }, "", "another node");
    },
  });
  const { store } = definition;
  assert.ok(store !== "durable" && store.create && store.get && store.delete);
  const told = (...nanoseconds: number[]) => ({
    metadata: { name: "a" },
    peerNodeLatencyStats: [
      { nodeName: "b", targetIPLatencyStats: nanoseconds.map((lastMeasuredRTTNanoseconds) => ({ lastMeasuredRTTNanoseconds })) },
    ],
  });
  await store.create(told(5_000_000), context);
  await store.create(told(1_000_000, 2_500_000), context);
  const [shown] = await listOf(definition);
  assert.ok(shown);
  assert.deepEqual(cells(definition, shown), ["a", 1, "1.75ms", "2.5ms"]);
  assert.deepEqual(cells(definition, { metadata: { name: "a" } }), ["a", 0, "0s", "0s"]);
  assert.throws(() => store.create?.({ metadata: { name: "b" } }, context), /another node/);
  nodes.delete("a");
  assert.deepEqual(await listOf(definition), []);
  assert.throws(() => store.create?.(told(1), context), /there is no node "a"/);
  assert.throws(() => store.get?.({ namespace: "", name: "a" }, context), { httpStatus: 404 });
  assert.throws(() => store.delete?.({ namespace: "", name: "a" }, context), { httpStatus: 404 });
});

test("durations are written as Go writes them", () => {
  const texts = [0, 1, 1_500, 999_999, 1_500_000, 1_000_000_000, 90_500_000_000, 7_260_000_000_000].map(durationText);
  assert.deepEqual(texts, ["0s", "1ns", "1.5µs", "999.999µs", "1.5ms", "1s", "1m30.5s", "2h1m0s"]);
});

test("a multicast group has the Pods of all nodes that told of it, as they tell it now", async () => {
  const nodes = nodesTable();
  const groups = new MulticastGroups(nodes);
  const definition = groups.definition();
  const tell = (node: string, pods: readonly string[]): void => {
    const members = pods.map((name) => ({ namespace: "shop", name }));
    const summary = decodeSummary({
      apiVersion: controlplaneApiVersion,
      kind: "NodeStatsSummary",
      metadata: { name: node },
      ...(pods.length > 0 && { multicast: [{ group: "225.1.2.3", pods: members }] }),
    });
    assert.ok(summary.ok);
    groups.take(node, summary.value.multicast ?? []);
  };
  tell("b", ["d", "c"]);
  tell("a", ["a", "b"]);
  const [all] = await listOf(definition);
  assert.ok(all);
  assert.deepEqual(cells(definition, all), ["225.1.2.3", "shop/a,shop/b,shop/c + 1 more..."]);
  tell("a", []);
  const [left] = await listOf(definition);
  assert.ok(left);
  assert.deepEqual(cells(definition, left), ["225.1.2.3", "shop/c,shop/d"]);
  nodes.delete("b");
  assert.deepEqual(await listOf(definition), []);
});

test("a summary with more members of multicast groups than a node can have is refused", () => {
  const pods = Array.from({ length: 65_536 }, () => ({ name: "p", namespace: "n" }));
  const summary = { apiVersion: controlplaneApiVersion, kind: "NodeStatsSummary", metadata: { name: "a" } };
  const decoded = decodeSummary({ ...summary, multicast: [{ group: "225.1.2.3", pods }] });
  assert.ok(!decoded.ok);
  assert.match(decoded.reason, /at most 65536 members/);
});
