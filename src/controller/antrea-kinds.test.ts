import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import {
  antreaClusterNetworkPolicies,
  antreaNetworkPolicies,
  clusterGroups,
  externalEntities,
  externalNodes,
  groups,
  tiers,
} from "#core/api/antrea/resources.ts";
import { type KubeClient, type KubeObject, namespaces, pods, type Resource } from "#lib/kube/index.ts";
import { silentLogger, systemClock, systemRandom } from "#lib/runtime/index.ts";
import { parseControllerConfig } from "./config.ts";
import { serveController } from "./testing/serve-controller.ts";
import { type RbacCluster, startRbacCluster } from "./testing/rbac-cluster.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { clock: systemClock, random: systemRandom, logger: silentLogger };
let folder: string;
let cluster: RbacCluster;
let admin: KubeClient;
let stop: () => Promise<void>;

const controlplanePolicies: Resource<KubeObject> = {
  group: "controlplane.antrea.io",
  version: "v1beta2",
  plural: "networkpolicies",
  kind: "NetworkPolicy",
  namespaced: false,
};
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "antrea-kinds-"));
  cluster = await startRbacCluster(runtime);
  admin = cluster.client("admin");
  await writeFile(join(folder, "kubeconfig"), cluster.kubeconfig("antrea-controller"));
  await admin.create(namespaces, { metadata: { name: "shop" } });
  const config = parseControllerConfig(
    JSON.stringify({
      apiPort: 0,
      featureGates: { ExternalNode: true },
      runDir: folder,
      clientConnection: { kubeconfig: join(folder, "kubeconfig") },
    }),
    "test.conf",
  );
  ({ stop } = await serveController({ runtime, cluster, config }));
});

after(async () => {
  await stop();
  await cluster.close();
  await rm(folder, { recursive: true });
});

const web = { podSelector: { matchLabels: { app: "web" } } };

test("the built-in tiers are made, kept and protected", { timeout: 240_000 }, async () => {
  await eventually(async () => assert.equal((await admin.list(tiers)).items.length, 6));
  const baseline = await admin.get(tiers, { name: "baseline" });
  assert.equal(baseline.spec?.priority, 253);
  await assert.rejects(admin.delete(tiers, { name: "baseline" }), /cannot delete reserved tier baseline/);
  await assert.rejects(admin.patch(tiers, { name: "baseline" }, { spec: { priority: 10 } }), /update to Tier priority is not allowed/);
  await assert.rejects(admin.create(tiers, { metadata: { name: "mine" }, spec: { priority: 100 } }), /overlaps with existing Tier/);
});

test("a policy gets its defaults, reaches agents and has a status that follows their reports", { timeout: 240_000 }, async () => {
  await admin.create(pods, {
    metadata: { namespace: "shop", name: "web", labels: { app: "web" } },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
  });
  const spec = {
    priority: 5,
    appliedTo: [{ ...web, namespaceSelector: {} }],
    ingress: [{ action: "Drop", from: [{ namespaceSelector: {} }] }],
  };
  const created = await admin.create<AntreaPolicy>(antreaClusterNetworkPolicies, { metadata: { name: "deny" }, spec });
  assert.equal(created.spec?.tier, "application");
  assert.match(created.spec?.ingress?.[0]?.name ?? "", /^ingress-drop-[0-9a-f]{7}$/);
  const status = async () =>
    (await admin.get(antreaClusterNetworkPolicies, { name: "deny" })).status as Readonly<Record<string, unknown>> | undefined;
  await eventually(async () => assert.equal((await status())?.phase, "Realizing"));
  assert.equal((await status())?.desiredNodesRealized, 1);
  const { uid = "", generation } = created.metadata;
  const computed = (await admin.get(controlplanePolicies, { name: uid })) as KubeObject & Readonly<Record<string, unknown>>;
  assert.deepEqual([computed.tierPriority, computed.priority], [250, 5]);
  await cluster
    .client("antrea-agent")
    .create(controlplanePolicies, { metadata: { name: uid }, nodes: [{ nodeName: "n1", generation }] } as KubeObject, {
      name: uid,
      subresource: "status",
    });
  await eventually(async () => assert.equal((await status())?.phase, "Realized"));
  const enforced = async () => {
    const conditions = (await status())?.conditions as readonly { readonly type: string; readonly status: string }[];
    return conditions.find(({ type }) => type === "Enforced")?.status;
  };
  assert.equal(await enforced(), "False", "an agent that cannot tell has not proven anything");
  const proven = { metadata: { name: uid }, nodes: [{ nodeName: "n1", generation, proven: true }] } as KubeObject;
  await cluster.client("antrea-agent").create(controlplanePolicies, proven, { name: uid, subresource: "status" });
  await eventually(async () => assert.equal(await enforced(), "True"));

  const asked = (await admin.json({ method: "GET", path: `/apis/controlplane.antrea.io/v1beta2/networkpolicies/${uid}/status` })) as {
    readonly nodes: readonly { readonly nodeName: string; readonly state: string; readonly afterMilliseconds: number }[];
  };
  assert.deepEqual(
    asked.nodes.map(({ nodeName, state }) => `${nodeName} ${state}`),
    ["n1 Proven"],
  );
  assert.ok((asked.nodes[0]?.afterMilliseconds ?? 0) > 0);
  await assert.rejects(
    admin.json({ method: "GET", path: "/apis/controlplane.antrea.io/v1beta2/networkpolicies/none/status" }),
    /"none" not found/,
  );
});

test("what the Go implementation refuses is refused in its words", { timeout: 240_000 }, async () => {
  const policy = (spec: Partial<NonNullable<AntreaPolicy["spec"]>>) =>
    admin.create<AntreaPolicy>(antreaNetworkPolicies, { metadata: { namespace: "shop", name: "p" }, spec: { priority: 1, ...spec } });
  await assert.rejects(policy({ tier: "nowhere", appliedTo: [web] }), /tier nowhere does not exist/);
  await assert.rejects(
    policy({ appliedTo: [web], ingress: [{ action: "Drop", appliedTo: [web] }] }),
    /appliedTo should not be set in both spec and rules/,
  );
  const group = { metadata: { name: "g" }, spec: { ...web, serviceReference: { name: "s", namespace: "shop" } } };
  await assert.rejects(admin.create(clusterGroups, group), /At most one of/);
});

test("a policy for a Group that selects other namespaces waits, and says why, until the Group is right", { timeout: 240_000 }, async () => {
  const group = { metadata: { namespace: "shop", name: "all" }, spec: { namespaceSelector: {} } };
  await admin.create(groups, group);
  const spec = { priority: 1, appliedTo: [{ group: "all" }], ingress: [{ action: "Drop" }] };
  await admin.create<AntreaPolicy>(antreaNetworkPolicies, { metadata: { namespace: "shop", name: "waiting" }, spec });
  const status = async () =>
    (await admin.get(antreaNetworkPolicies, { namespace: "shop", name: "waiting" })).status as
      | { readonly phase: string; readonly conditions: readonly { readonly reason?: string }[] }
      | undefined;
  await eventually(async () => assert.equal((await status())?.conditions[0]?.reason, "NetworkPolicyAppliedToUnsupportedGroup"));
  assert.equal((await status())?.phase, "Pending");
  await admin.patch(
    groups,
    { namespace: "shop", name: "all" },
    { spec: { namespaceSelector: null, podSelector: { matchLabels: { app: "none" } } } },
  );
  await eventually(async () => assert.equal((await status())?.phase, "Realized"));
});

test("a virtual machine is a subject: its ExternalNode becomes an ExternalEntity, and its agent is told", {
  timeout: 240_000,
}, async () => {
  const named = { namespace: "shop", name: "vm" };
  const labels = { app: "vm" };
  await admin.create(externalNodes, { metadata: { ...named, labels }, spec: { interfaces: [{ name: "ens192", ips: ["192.0.2.1"] }] } });
  await admin.create<AntreaPolicy>(antreaNetworkPolicies, {
    metadata: { namespace: "shop", name: "vms" },
    spec: {
      priority: 5,
      appliedTo: [{ externalEntitySelector: { matchLabels: labels } }],
      ingress: [{ action: "Drop", from: [{ externalEntitySelector: {} }] }],
    },
  });
  const entities = async () =>
    (await admin.list(externalEntities)).items.map(({ metadata, spec }) => ({
      name: metadata.name,
      owner: metadata.ownerReferences?.[0]?.name,
      spec,
    }));
  const spec = { endpoints: [{ ip: "192.0.2.1", name: "ens192" }], externalNode: "vm" };
  // The five digits are those of SHA-1 of the interface's name.
  await eventually(async () => assert.deepEqual(await entities(), [{ name: "vm-e8be5", owner: "vm", spec }]));

  const told = async (plural: string) => {
    const watch = admin.watch(
      { ...controlplanePolicies, plural },
      { fieldSelector: "nodeName=shop/vm", signal: AbortSignal.timeout(amplePatience) },
    );
    for await (const { type, object } of watch) if (type === "ADDED") return object as unknown as Readonly<Record<string, unknown>>;
    return undefined;
  };
  const member = { externalEntity: { namespace: "shop", name: "vm-e8be5" } };
  assert.deepEqual((await told("networkpolicies"))?.sourceRef && "told", "told");
  assert.deepEqual((await told("appliedtogroups"))?.groupMembers, [member]);
  assert.deepEqual((await told("addressgroups"))?.groupMembers, [{ ...member, ips: ["wAACAQ=="] }]);

  await admin.patch(externalNodes, named, { spec: { interfaces: [{ ips: ["192.0.2.2", "2001:db8::2"] }] } });
  const renamed = { endpoints: [{ ip: "192.0.2.2" }, { ip: "2001:db8::2" }], externalNode: "vm" };
  await eventually(async () => assert.deepEqual(await entities(), [{ name: "vm", owner: "vm", spec: renamed }]));
  await admin.delete(externalNodes, named);
  await eventually(async () => assert.deepEqual(await entities(), []));
});

/** Until `check` holds; its failure when it never does. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const end = Date.now() + amplePatience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
