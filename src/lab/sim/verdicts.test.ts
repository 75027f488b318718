import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import { parseAddress } from "#lib/ip/index.ts";
import type { KubeObject, Pod } from "#lib/kube/index.ts";
import { type WorldChange, type WorldHistory, type WorldKind, worldKinds } from "./history.ts";
import { possibleVerdicts } from "./verdicts.ts";

const pod = (name: string, ip: string): Pod => ({
  metadata: { namespace: "shop", name, labels: { app: name } },
  spec: { nodeName: "node-1", containers: [] },
  status: { phase: "Running", podIPs: [{ ip }] },
});
const [one, two] = [pod("one", "10.64.1.2"), pod("two", "10.64.1.3")];

/** What receives of `app` is denied, or let through, before Kubernetes' own policies. */
const policy = (name: string, app: string, action: string): ClusterNetworkPolicy => ({
  metadata: { name, uid: name },
  spec: {
    tier: "Admin",
    priority: 1,
    subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } },
    ingress: [{ action, from: [{ namespaces: {} }] }],
  },
});

/** What may become of a packet from pod `one` to pod `two` while each of `policies` may be there or not. */
function verdictsWith(...policies: readonly ClusterNetworkPolicy[]) {
  const objects: Partial<Record<WorldKind, readonly KubeObject[]>> = { Namespace: [{ metadata: { name: "shop" } }] };
  const present = Object.fromEntries(
    worldKinds.map((kind) => [kind, new Map((objects[kind] ?? []).map((each) => [each.metadata.name, each]))]),
  );
  present.Pod = new Map([one, two].map((each) => [`shop/${each.metadata.name}`, each]));
  const changes = policies.map(
    (before): WorldChange => ({ at: 0, kind: "K8sClusterNetworkPolicy", key: before.metadata.name ?? "", before, after: undefined }),
  );
  return possibleVerdicts({
    history: { present } as unknown as WorldHistory,
    changes,
    from: one,
    to: two,
    direction: "Ingress",
    packet: { source: parseAddress("10.64.1.2"), destination: parseAddress("10.64.1.3"), port: 80 },
    mixing: "policies",
  });
}

test("however many policies changed that are about others, a packet is judged by those that are about it", () => {
  const others = Array.from({ length: 20 }, (_, index) => policy(`other-${index}`, "three", "Deny"));
  const verdicts = (...about: readonly ClusterNetworkPolicy[]): unknown => {
    const possible = verdictsWith(...others, ...about);
    return possible && [possible.passes, possible.ends];
  };
  assert.deepEqual(verdicts(), [true, false]);
  assert.deepEqual(verdicts(policy("a", "two", "Deny")), [true, true]);
  assert.deepEqual(verdicts(policy("a", "two", "Accept"), policy("b", "two", "Pass")), [true, false]);
});

test("too many changes that are about a packet are left open", () => {
  assert.equal(verdictsWith(...Array.from({ length: 20 }, (_, index) => policy(`p-${index}`, "two", "Deny"))), undefined);
});
