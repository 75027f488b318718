import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { KubeApiError } from "#lib/kube/errors.ts";
import { configMaps, namespaces, networkPolicies, nodes, pods, secrets, services } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { silentLogger } from "#lib/runtime/logger.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { startTestCluster, type TestCluster } from "../testing/cluster.ts";
import type { FullPod } from "./pod/types.ts";
import { clusterRoles, roleBindings } from "./rbac.ts";
import type { FullService } from "./service/types.ts";
import { deployments } from "./workload/types.ts";

const fullPods = pods as Resource<FullPod>;
const fullServices = services as Resource<FullService>;
const namespace = "default";
let cluster: TestCluster;

before(async () => {
  cluster = await startTestCluster({ ...systemRuntime(), logger: silentLogger });
  await cluster.client.create(namespaces, { metadata: { name: namespace } });
});
after(() => cluster.close());

const create = <Kind extends KubeObject>(resource: Resource<Kind>, name: string, fields: object): Promise<Kind> =>
  cluster.client.create(resource, { metadata: { name, namespace }, ...fields } as Kind);

const patch = <Kind extends KubeObject>(resource: Resource<Kind>, name: string, change: object): Promise<Kind> =>
  cluster.client.patch(resource, { namespace, name }, change);

/** The fields that a refused write names, with the start of each message. */
async function refused(write: Promise<unknown>): Promise<readonly string[]> {
  try {
    await write;
  } catch (error) {
    assert.ok(error instanceof KubeApiError, String(error));
    assert.equal(error.reason, "Invalid", error.message);
    return (error.status.details?.causes ?? []).map(({ field, message = "" }) => `${field}: ${message.split(":")[0]}`);
  }
  return [];
}

/** What `kubectl get` prints for an object, `-o wide` included. */
async function row(path: string): Promise<Readonly<Record<string, unknown>>> {
  const table = (await cluster.client.json({
    method: "GET",
    path,
    headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
  })) as {
    readonly columnDefinitions: readonly { readonly name: string }[];
    readonly rows: readonly { readonly cells: readonly unknown[] }[];
  };
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, table.rows[0]?.cells[index]]));
}

const container = { name: "main", image: "web:1" };

describe("pods", () => {
  it("get the defaults and the additions of a real API server", async () => {
    const { spec, status } = await create(fullPods, "defaults", {
      spec: { containers: [{ ...container, ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } }] },
    });
    const [main] = spec.containers;
    assert.deepEqual(
      [spec.restartPolicy, spec.dnsPolicy, spec.terminationGracePeriodSeconds, spec.serviceAccountName, spec.enableServiceLinks],
      ["Always", "ClusterFirst", 30, "default", true],
    );
    assert.deepEqual([main?.imagePullPolicy, main?.ports?.[0]?.protocol, main?.readinessProbe?.periodSeconds], ["IfNotPresent", "TCP", 10]);
    assert.deepEqual(
      spec.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
      [
        ["node.kubernetes.io/not-ready", 300],
        ["node.kubernetes.io/unreachable", 300],
      ],
    );
    assert.equal(main?.volumeMounts?.[0]?.mountPath, "/var/run/secrets/kubernetes.io/serviceaccount");
    assert.equal(main?.volumeMounts?.[0]?.name, spec.volumes?.[0]?.name);
    assert.deepEqual([status?.phase, status?.qosClass], ["Pending", "BestEffort"]);
  });

  it("have the quality class of their limits", async () => {
    const resources = { limits: { cpu: "500m", memory: "64Mi" } };
    const { spec, status } = await create(fullPods, "guaranteed", { spec: { containers: [{ ...container, resources }] } });
    assert.deepEqual(spec.containers[0]?.resources?.requests, resources.limits);
    assert.equal(status?.qosClass, "Guaranteed");
    const burstable = await create(fullPods, "burstable", {
      spec: { containers: [{ ...container, resources: { requests: { cpu: 1 } } }] },
    });
    assert.equal(burstable.status?.qosClass, "Burstable");
  });

  it("mount no token when they say so", async () => {
    const { spec } = await create(fullPods, "tokenless", { spec: { automountServiceAccountToken: false, containers: [container] } });
    assert.deepEqual(spec.volumes ?? [], []);
  });

  it("are refused with the path of every wrong field", async () => {
    const spec = {
      restartPolicy: "Sometimes",
      volumes: [{ name: "a", emptyDir: {}, hostPath: { path: "/" } }],
      containers: [
        { name: "Main", ports: [{ containerPort: 0, name: "much-too-long-name" }], volumeMounts: [{ name: "b", mountPath: "/b" }] },
        { ...container, readinessProbe: {}, resources: { limits: { cpu: "1" }, requests: { cpu: "2" } } },
      ],
    };
    assert.deepEqual(await refused(create(fullPods, "bad", { spec })), [
      "spec.restartPolicy: Unsupported value",
      "spec.volumes[0].hostPath: Forbidden",
      "spec.containers[0].name: Invalid value",
      "spec.containers[0].image: Required value",
      "spec.containers[0].ports[0].name: Invalid value",
      "spec.containers[0].ports[0].containerPort: Invalid value",
      "spec.containers[0].volumeMounts[0].name: Not found",
      "spec.containers[1].resources.requests: Invalid value",
      "spec.containers[1].readinessProbe: Required value",
    ]);
  });

  it("change nothing but images, the deadline and further tolerations", async () => {
    await create(fullPods, "fixed", { spec: { containers: [container] } });
    assert.deepEqual(await refused(patch(fullPods, "fixed", { spec: { hostNetwork: true } })), ["spec: Forbidden"]);
    assert.deepEqual(await refused(patch(fullPods, "fixed", { spec: { nodeName: "node-1" } })), ["spec: Forbidden"]);
    assert.deepEqual(await refused(patch(fullPods, "fixed", { spec: { tolerations: [] } })), ["spec.tolerations: Forbidden"]);
    const target = { namespace, name: "fixed" };
    const changed = await cluster.client.patch(
      fullPods,
      target,
      { spec: { containers: [{ name: "main", image: "web:2" }] } },
      { type: "strategic" },
    );
    assert.equal(changed.spec.containers[0]?.image, "web:2");
  });

  it("get a node by binding, once", async () => {
    await create(fullPods, "bound", { spec: { containers: [container] } });
    const bind = (node: string) =>
      cluster.client.create(
        fullPods as Resource<KubeObject>,
        { apiVersion: "v1", kind: "Binding", metadata: { name: "bound", namespace }, target: { kind: "Node", name: node } } as KubeObject,
        {
          name: "bound",
          subresource: "binding",
        },
      );
    await bind("node-1");
    const { spec, status } = await cluster.client.get(fullPods, { namespace, name: "bound" });
    assert.equal(spec.nodeName, "node-1");
    assert.equal(status?.conditions?.find(({ type }) => type === "PodScheduled")?.status, "True");
    await assert.rejects(bind("node-2"), { reason: "Conflict" });
  });

  it("print what kubectl users look for", async () => {
    await create(fullPods, "printed", { spec: { containers: [container, { ...container, name: "side" }] } });
    const status = {
      phase: "Running",
      podIPs: [{ ip: "10.10.0.5" }],
      containerStatuses: [
        { name: "main", ready: true, restartCount: 2, image: "web:1", imageID: "", state: { running: {} } },
        { name: "side", ready: false, restartCount: 1, image: "web:1", imageID: "", state: { waiting: { reason: "CrashLoopBackOff" } } },
      ],
    };
    await cluster.client.patch(fullPods, { namespace, name: "printed", subresource: "status" }, { status });
    const { Ready, Status, Restarts, IP, Node } = await row(`/api/v1/namespaces/${namespace}/pods/printed`);
    assert.deepEqual([Ready, Status, Restarts, IP, Node], ["1/2", "CrashLoopBackOff", "3", "10.10.0.5", "<none>"]);
  });
});

describe("services", () => {
  const ports = [{ port: 80 }];

  it("get addresses of their families, and keep them", async () => {
    const single = await create(fullServices, "single", { spec: { ports } });
    assert.deepEqual([single.spec?.ipFamilies, single.spec?.ipFamilyPolicy], [["IPv4"], "SingleStack"]);
    assert.match(single.spec?.clusterIP ?? "", /^10\.96\./);
    const dual = await create(fullServices, "dual", { spec: { ports, ipFamilyPolicy: "RequireDualStack" } });
    assert.match(dual.spec?.clusterIPs?.join() ?? "", /^10\.96\.[\d.]+,fd00:10:96::/);
    const six = await create(fullServices, "six", { spec: { ports, ipFamilies: ["IPv6"] } });
    assert.match(six.spec?.clusterIP ?? "", /^fd00:10:96::/);
    const replaced = await cluster.client.update(fullServices, { metadata: { name: "dual", namespace }, spec: { ports: [{ port: 81 }] } });
    assert.deepEqual(replaced.spec?.clusterIPs, dual.spec?.clusterIPs);
    assert.deepEqual(await refused(patch(fullServices, "single", { spec: { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"] } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
  });

  it("refuse addresses that are taken or of another block", async () => {
    await create(fullServices, "fixed", { spec: { ports, clusterIP: "10.96.0.10" } });
    assert.deepEqual(await refused(create(fullServices, "again", { spec: { ports, clusterIP: "10.96.0.10" } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
    assert.deepEqual(await refused(create(fullServices, "other", { spec: { ports, clusterIP: "10.1.0.10" } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
  });

  it("may be headless, external, or on node ports", async () => {
    const headless = await create(fullServices, "headless", { spec: { ports, clusterIP: "None" } });
    assert.deepEqual(headless.spec?.clusterIPs, ["None"]);
    const external = await create(fullServices, "external", { spec: { type: "ExternalName", externalName: "example.org" } });
    assert.equal(external.spec?.clusterIP, undefined);
    const node = await create(fullServices, "node-port", { spec: { type: "NodePort", ports } });
    assert.equal(node.spec?.ports?.[0]?.nodePort, 30_000);
    assert.deepEqual(
      await refused(create(fullServices, "taken", { spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30_000 }] } })),
      ["spec.ports[0].nodePort: Invalid value"],
    );
    const printed = await row(`/api/v1/namespaces/${namespace}/services/node-port`);
    assert.deepEqual([printed.Type, printed["Port(s)"], printed["External-IP"]], ["NodePort", "80:30000/TCP", "<none>"]);
  });

  it("are refused with the path of every wrong field", async () => {
    const spec = { type: "Proxy", sessionAffinity: "Cookie", ports: [{ port: 80 }, { port: 0, name: "UPPER", protocol: "ICMP" }] };
    assert.deepEqual(await refused(create(fullServices, "bad", { spec })), [
      "spec.type: Unsupported value",
      "spec.sessionAffinity: Unsupported value",
      "spec.ports[0].name: Required value",
      "spec.ports[1].name: Invalid value",
      "spec.ports[1].port: Invalid value",
      "spec.ports[1].protocol: Unsupported value",
      "spec.ports[1].targetPort: Invalid value",
    ]);
  });
});

describe("network policies", () => {
  it("store their directions, whatever was left out (A.2)", async () => {
    const cases: readonly [fields: object, types: readonly string[]][] = [
      [{}, ["Ingress"]],
      [{ egress: [] }, ["Ingress"]],
      [{ egress: [{}] }, ["Ingress", "Egress"]],
      [{ policyTypes: ["Egress"] }, ["Egress"]],
    ];
    for (const [index, [fields, types]] of cases.entries()) {
      const { spec } = await create(networkPolicies, `types-${index}`, { spec: { podSelector: null, ...fields } });
      assert.deepEqual(spec?.policyTypes, types);
      assert.deepEqual(spec?.podSelector, {});
    }
  });

  it("default protocols to TCP and keep absent and empty selectors apart (A.3, A.4)", async () => {
    const ingress = [{ from: [{ podSelector: {} }, { namespaceSelector: {} }], ports: [{}, { port: "http" }] }];
    const { spec } = await create(networkPolicies, "kept", { spec: { podSelector: {}, ingress } });
    assert.deepEqual(spec?.ingress, [
      { from: [{ podSelector: {} }, { namespaceSelector: {} }], ports: [{ protocol: "TCP" }, { protocol: "TCP", port: "http" }] },
    ]);
  });

  it("are refused with the path of every wrong field (A.4, A.5)", async () => {
    const spec = {
      podSelector: { matchExpressions: [{ key: "a", operator: "In" }] },
      policyTypes: ["Both"],
      ingress: [
        {
          from: [
            {},
            { podSelector: {}, ipBlock: { cidr: "10.0.0.0/8" } },
            { ipBlock: { cidr: "10.0.0.0/33" } },
            { ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/8", "fd00::/8"] } },
          ],
          ports: [
            { port: 0 },
            { port: "UPPER" },
            { port: 90, endPort: 80 },
            { endPort: 80 },
            { port: "http", endPort: 80 },
            { protocol: "ICMP" },
          ],
        },
      ],
    };
    assert.deepEqual(await refused(create(networkPolicies, "bad", { spec })), [
      "spec.podSelector.matchExpressions[0].values: Required value",
      "spec.ingress[0].ports[0].port: Invalid value",
      "spec.ingress[0].ports[1].port: Invalid value",
      "spec.ingress[0].ports[2].endPort: Invalid value",
      "spec.ingress[0].ports[3].endPort: Invalid value",
      "spec.ingress[0].ports[4].endPort: Invalid value",
      "spec.ingress[0].ports[5].protocol: Unsupported value",
      "spec.ingress[0].from[0]: Required value",
      "spec.ingress[0].from[1]: Forbidden",
      "spec.ingress[0].from[2].ipBlock.cidr: Invalid value",
      "spec.ingress[0].from[3].ipBlock.except[0]: Invalid value",
      "spec.ingress[0].from[3].ipBlock.except[1]: Invalid value",
      "spec.policyTypes[0]: Unsupported value",
    ]);
  });
});

describe("deployments", () => {
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
  const selector = { matchLabels: { app: "web" } };

  it("get defaults, in their template too", async () => {
    const { spec } = await create(deployments, "web", { spec: { selector, template } });
    assert.deepEqual([spec.replicas, spec.revisionHistoryLimit, spec.progressDeadlineSeconds], [1, 10, 600]);
    assert.deepEqual(spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } });
    assert.equal(spec.template.spec.restartPolicy, "Always");
    assert.equal(spec.template.spec.serviceAccountName, undefined);
  });

  it("keep their selector, which selects their template", async () => {
    await create(deployments, "kept", { spec: { selector, template } });
    assert.deepEqual(await refused(create(deployments, "other", { spec: { selector: { matchLabels: { app: "x" } }, template } })), [
      "spec.template.metadata.labels: Invalid value",
    ]);
    const change = { spec: { selector: { matchLabels: { app: "x" } }, template: { metadata: { labels: { app: "x" } } } } };
    assert.deepEqual(await refused(patch(deployments, "kept", change)), ["spec.selector: Invalid value"]);
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: "0%" } };
    assert.deepEqual(await refused(patch(deployments, "kept", { spec: { strategy } })), [
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value",
    ]);
  });
});

describe("other kinds", () => {
  it("encode a secret's text and keep its type", async () => {
    const secret = await create(secrets, "password", { stringData: { user: "admin" } });
    assert.deepEqual([secret.type, secret.data, "stringData" in secret], ["Opaque", { user: "YWRtaW4=" }, false]);
    assert.deepEqual(await refused(patch(secrets, "password", { type: "other" })), ["type: Invalid value"]);
    assert.deepEqual(await refused(create(secrets, "broken", { data: { a: "!" } })), ["data[a]: Invalid value"]);
  });

  it("freeze immutable maps", async () => {
    await create(configMaps, "frozen", { data: { a: "1" }, immutable: true });
    assert.deepEqual(await refused(patch(configMaps, "frozen", { data: { a: "2" } })), ["data: Forbidden"]);
  });

  it("keep a role's reference and demand complete rules", async () => {
    const roleRef = { kind: "ClusterRole", name: "view" };
    const binding = await create(roleBindings, "viewers", { roleRef, subjects: [{ kind: "User", name: "jane" }] });
    assert.equal(binding.subjects?.[0]?.apiGroup, "rbac.authorization.k8s.io");
    assert.deepEqual(await refused(patch(roleBindings, "viewers", { roleRef: { name: "edit" } })), ["roleRef: Invalid value"]);
    assert.deepEqual(await refused(create(clusterRoles, "system:odd", { rules: [{ verbs: [], apiGroups: [""] }] })), [
      "rules[0].verbs: Required value",
      "rules[0].resources: Required value",
    ]);
  });

  it("keep a node's address block and print its roles", async () => {
    await cluster.client.create(nodes, { metadata: { name: "node-1", labels: { "node-role.kubernetes.io/worker": "" } } });
    await cluster.client.patch(nodes, { name: "node-1" }, { spec: { podCIDRs: ["10.10.0.0/24"], unschedulable: true } });
    assert.deepEqual(await refused(cluster.client.patch(nodes, { name: "node-1" }, { spec: { podCIDRs: ["10.10.1.0/24"] } })), [
      "spec.podCIDRs: Invalid value",
    ]);
    const { Status, Roles } = await row("/api/v1/nodes/node-1");
    assert.deepEqual([Status, Roles], ["Unknown,SchedulingDisabled", "worker"]);
  });
});
