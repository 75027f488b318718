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
