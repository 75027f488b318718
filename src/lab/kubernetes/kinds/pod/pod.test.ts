import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pods } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { cluster, create, namespace, patch, refused, row } from "../../testing/objects.ts";
import type { FullPod } from "./types.ts";

const fullPods = pods as Resource<FullPod>;
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
    const changed = await cluster().client.patch(
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
      cluster().client.create(
        fullPods as Resource<KubeObject>,
        { apiVersion: "v1", kind: "Binding", metadata: { name: "bound", namespace }, target: { kind: "Node", name: node } } as KubeObject,
        {
          name: "bound",
          subresource: "binding",
        },
      );
    await bind("node-1");
    const { spec, status } = await cluster().client.get(fullPods, { namespace, name: "bound" });
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
    await cluster().client.patch(fullPods, { namespace, name: "printed", subresource: "status" }, { status });
    const { Ready, Status, Restarts, IP, Node } = await row(`/api/v1/namespaces/${namespace}/pods/printed`);
    assert.deepEqual([Ready, Status, Restarts, IP, Node], ["1/2", "CrashLoopBackOff", "3", "10.10.0.5", "<none>"]);
  });
});
