import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import { createPolicyObjects } from "#core/policy/index.ts";
import type { Condition, KubeClient, KubeObject, Pod, Resource } from "#lib/kube/index.ts";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import type { PolicySource } from "../policy-sources.ts";
import { keepStatus } from "./keep-status.ts";
import { RealizationReports } from "./reports.ts";

const kinds = [
  { kind: "K8sClusterNetworkPolicy", plural: "clusternetworkpolicies" },
  { kind: "AdminNetworkPolicy", plural: "adminnetworkpolicies" },
  { kind: "BaselineAdminNetworkPolicy", plural: "baselineadminnetworkpolicies" },
] as const;

for (const { kind, plural } of kinds)
  test(`${kind} gets conditions Enforced and Realizable, beside those of others`, () => conditionsOf(kind, plural));

async function conditionsOf(kind: (typeof kinds)[number]["kind"], plural: string): Promise<void> {
  const objects = createPolicyObjects();
  const theirs: Condition = { type: "Accepted", status: "True", reason: "Fine", message: "", lastTransitionTime: "then" };
  const rule = { name: "r", action: "Deny", from: [{ namespaces: {} }] } as const;
  const policy: ClusterNetworkPolicy & { readonly status: { readonly conditions: readonly Condition[] } } = {
    metadata: { name: "default", uid: "u", generation: 4 },
    spec: {
      tier: "Admin",
      priority: 1,
      subject: { namespaces: {} },
      ingress: [rule, { ...rule, from: [{ planets: {} } as unknown as { namespaces: object }] }],
    },
    status: { conditions: [theirs] },
  };
  const pod: Pod = {
    metadata: { namespace: "shop", name: "one", labels: {} },
    spec: { nodeName: "n1", containers: [] },
    status: { podIPs: [{ ip: "10.0.0.1" }] },
  };
  objects.apply("Namespace", "shop", { metadata: { name: "shop", labels: {} } });
  objects.apply("Pod", "shop/one", pod);
  objects.apply(kind, "default", policy as never);
  objects.flush();
  const table = {
    get: () => policy,
    rows: () => [policy],
    subscribe(hear: (change: { key: string; after: KubeObject }) => void) {
      hear({ key: "default", after: policy });
      return () => {};
    },
  } as unknown as PolicySource["table"];
  const written: (readonly [string, unknown])[] = [];
  const client = {
    patch(resource: Resource<KubeObject>, target: { readonly name: string; readonly subresource: string }, body: unknown) {
      written.push([`${resource.group} ${resource.plural}/${target.name}/${target.subresource}`, body]);
      return Promise.resolve({});
    },
  } as unknown as KubeClient;
  const runtime = virtualRuntime({ seed: 1 });
  const stop = new AbortController();
  const reports = new RealizationReports();
  const lease = { held: true, onGained: () => () => {} };
  const status = keepStatus({
    runtime,
    client,
    signal: stop.signal,
    lease,
    objects,
    sources: [{ kind, table }],
    reports,
  });
  const pass = async () => {
    runtime.clock.advance(seconds(1));
    await new Promise((resolve) => setImmediate(resolve));
    return written.splice(0);
  };
  const [before] = await pass();
  assert.equal(before?.[0], `policy.networking.k8s.io ${plural}/default/status`);
  reports.take("u", [{ nodeName: "n1", generation: 4, proven: true }], 0);
  status.reported("u");
  const [after] = await pass();
  assert.ok(after !== undefined);
  const { conditions } = (after[1] as { readonly status: { readonly conditions: readonly Condition[] } }).status;
  assert.deepEqual(conditions[0], theirs);
  assert.deepEqual(
    conditions.slice(1).map(({ type, status: value, observedGeneration, reason }) => [type, value, observedGeneration, reason]),
    [
      ["Enforced", "True", 4, "Proven"],
      ["Realizable", "False", 4, "NotAsWritten"],
    ],
  );
  stop.abort();
}

test("one policy that is not all usable says so by its field, and its neighbour nothing; groups are looked at with their children", async () => {
  const objects = createPolicyObjects();
  const spec = (from: object) => ({
    priority: 1,
    appliedTo: [{ podSelector: {} }],
    ingress: [{ name: "r", action: "Drop", from: [from] }],
  });
  const policy = (name: string, from: object): KubeObject =>
    ({ metadata: { name, uid: name, generation: 1 }, spec: spec(from) }) as KubeObject;
  const policies = [
    policy("odd", { podSelector: { matchExpressions: [{ key: "a", operator: "Near" }] } }),
    policy("fine", { podSelector: {} }),
  ];
  const group = (name: string, childGroups: readonly string[]): KubeObject =>
    ({ metadata: { name, uid: name }, spec: childGroups.length > 0 ? { childGroups } : { podSelector: {} } }) as KubeObject;
  const groups = [group("parent", ["child"]), group("child", [])];
  const tableOf = (rows: readonly KubeObject[]) => {
    let hear: (change: { key: string; after: KubeObject }) => void = () => {};
    return {
      table: {
        get: (key: string) => rows.find(({ metadata }) => metadata.name === key),
        rows: () => rows,
        subscribe(listener: typeof hear) {
          hear = listener;
          return () => {};
        },
      } as unknown as PolicySource["table"],
      tell: (name: string) => hear({ key: name, after: rows.find(({ metadata }) => metadata.name === name) as KubeObject }),
    };
  };
  for (const each of policies) objects.apply("AntreaClusterNetworkPolicy", each.metadata.name ?? "", each as never);
  for (const each of groups) objects.apply("ClusterGroup", each.metadata.name ?? "", each as never);
  objects.flush();
  const written = new Map<string, readonly Condition[]>();
  const client = {
    patch(_: unknown, { name }: { readonly name: string }, { status }: { readonly status: { readonly conditions: readonly Condition[] } }) {
      written.set(name, status.conditions);
      return Promise.resolve({});
    },
  } as unknown as KubeClient;
  const runtime = virtualRuntime({ seed: 1 });
  const stop = new AbortController();
  const ofPolicies = tableOf(policies);
  const ofGroups = tableOf(groups);
  keepStatus({
    runtime,
    client,
    signal: stop.signal,
    lease: { held: true, onGained: () => () => {} },
    objects,
    sources: [
      { kind: "AntreaClusterNetworkPolicy", table: ofPolicies.table },
      { kind: "ClusterGroup", table: ofGroups.table },
    ],
    reports: new RealizationReports(),
  });
  const pass = async () => {
    for (let turn = 0; turn < 4; turn++) {
      runtime.clock.advance(seconds(1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  for (const { metadata } of policies) ofPolicies.tell(metadata.name ?? "");
  ofGroups.tell("child");
  await pass();
  const [odd, fine] = [written.get("odd")?.[0], written.get("fine")?.[0]];
  assert.deepEqual([odd?.type, odd?.status, odd?.reason], ["Realizable", "False", "NotAsWritten"]);
  assert.match(odd?.message ?? "", /^spec\.ingress\[0\]\.from\[0\]/);
  assert.deepEqual([fine?.type, fine?.status], ["Realizable", "True"]);
  assert.ok(written.has("child") && written.has("parent"));
  stop.abort();
});
