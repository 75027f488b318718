import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { parsePrefix } from "#lib/ip/prefix.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { configMaps, endpointSlices, events, namespaces, pods, serviceAccounts, services } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { sleep, systemClock } from "#lib/runtime/clock.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { systemRandom } from "#lib/runtime/random.ts";
import { createLogger } from "#lib/runtime/logger.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { endpoints } from "../kinds/endpoints.ts";
import { fullNodes } from "../kinds/node.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { persistentVolumeClaims } from "../kinds/storage/types.ts";
import {
  controllerRevisions,
  daemonSets,
  type Deployment,
  deployments,
  replicaSets,
  type StatefulSet,
  statefulSets,
} from "../kinds/workload/types.ts";
import { startTestCluster, type TestCluster } from "../testing/cluster.ts";
import { startTestKubelet, type TestKubelet } from "../testing/kubelet.ts";
import { runControllers } from "./index.ts";

/** Time under the test's control only where it reads the wall clock: how old heartbeats are. */
const wall = { ahead: 0 };
const clock = { ...systemClock, wall: () => systemClock.wall() + wall.ahead };
const runtime: Runtime = { clock, random: systemRandom, logger: createLogger({ clock, write: () => {}, level: "error" }) };
// Longer than all of this file takes on a busy machine: the test kubelet speaks up only where a test has it do so.
const nodeGracePeriod = seconds(600);
const fullPods = pods as Resource<FullPod>;

const stop = new AbortController();
let cluster: TestCluster;
let kubelet: TestKubelet;

before(async () => {
  cluster = await startTestCluster(runtime);
  for (const name of ["default", "kube-node-lease"]) await cluster.client.create(namespaces, { metadata: { name } });
  const podCidrs = [parsePrefix("10.10.0.0/16"), parsePrefix("fd00:10:10::/56")];
  await runControllers({ runtime, client: cluster.client, podCidrs, rootCa: "certificate", nodeGracePeriod, signal: stop.signal });
  kubelet = startTestKubelet({ runtime, client: cluster.client, signal: stop.signal });
  for (const name of ["node-1", "node-2"]) await kubelet.addNode(name, { disk: name });
});

after(async () => {
  stop.abort();
  await cluster.close();
});

/** Waits until `check` does not throw. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + amplePatience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(systemClock, 10);
    }
  }
}

const list = async <Kind extends KubeObject>(resource: Resource<Kind>, namespace?: string, labelSelector = ""): Promise<readonly Kind[]> =>
  (await cluster.client.list(resource, { namespace, labelSelector })).items;

async function gone<Kind extends KubeObject>(resource: Resource<Kind>, name: string, namespace?: string): Promise<void> {
  await assert.rejects(cluster.client.get(resource, { name, namespace }), isNotFound);
}

async function namespace(name: string): Promise<string> {
  await cluster.client.create(namespaces, { metadata: { name } });
  return name;
}

const deployment = (namespace: string, name: string, fields: Partial<Deployment["spec"]> = {}): Deployment => ({
  metadata: { name, namespace },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: "main", image: "web:1", ports: [{ name: "http", containerPort: 8080 }] }] },
    },
    ...fields,
  },
});

const setImage = (namespace: string, name: string, image: string) =>
  cluster.client.patch(
    deployments,
    { namespace, name },
    { spec: { template: { spec: { containers: [{ name: "main", image }] } } } },
    { type: "strategic" },
  );

const settled = (namespace: string, name: string, replicas: number, image: string) =>
  eventually(async () => {
    const { metadata, status } = await cluster.client.get(deployments, { namespace, name });
    assert.deepEqual(
      [status?.observedGeneration, status?.updatedReplicas, status?.replicas, status?.availableReplicas],
      [metadata.generation, replicas, replicas, replicas],
    );
    const images = (await list(fullPods, namespace, `app=${name}`)).map(({ spec }) => spec.containers[0]?.image);
    assert.deepEqual(images, Array<string>(replicas).fill(image));
  });

describe("workloads", () => {
  it("runs a deployment of 20 pods, spread over the nodes", async () => {
    const home = await namespace("many");
    await cluster.client.create(deployments, deployment(home, "web", { replicas: 20 }));
    await settled(home, "web", 20, "web:1");
    const perNode = Map.groupBy(await list(fullPods, home), ({ spec }) => spec.nodeName);
    assert.deepEqual(
      [...perNode.values()].map((some) => some.length),
      [10, 10],
    );
  });

  it("rolls forward and back, counting revisions, and keeps within its limits", async () => {
    const home = await namespace("rolling");
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    await cluster.client.create(deployments, deployment(home, "web", { replicas: 3, strategy }));
    await settled(home, "web", 3, "web:1");
    await setImage(home, "web", "web:2");
    await settled(home, "web", 3, "web:2");
    await setImage(home, "web", "web:1");
    await settled(home, "web", 3, "web:1");
    const { metadata } = await cluster.client.get(deployments, { namespace: home, name: "web" });
    assert.equal(metadata.annotations?.["deployment.kubernetes.io/revision"], "3");
    const sets = await list(replicaSets, home);
    assert.deepEqual(sets.map(({ metadata: { annotations } }) => annotations?.["deployment.kubernetes.io/revision"]).sort(), ["2", "3"]);
  });

  it("stops before it takes away pods that serve when the new ones never become ready", async () => {
    const home = await namespace("broken");
    kubelet.broken.add("web:broken");
    await cluster.client.create(deployments, deployment(home, "web", { replicas: 4 }));
    await settled(home, "web", 4, "web:1");
    await setImage(home, "web", "web:broken");
    await eventually(async () => {
      const { status } = await cluster.client.get(deployments, { namespace: home, name: "web" });
      assert.deepEqual([status?.updatedReplicas, status?.availableReplicas], [2, 3]);
    });
    await setImage(home, "web", "web:1");
    await settled(home, "web", 4, "web:1");
  });

  it("recreates only after every old pod is gone", async () => {
    const home = await namespace("recreate");
    await cluster.client.create(deployments, deployment(home, "web", { strategy: { type: "Recreate" } }));
    await settled(home, "web", 2, "web:1");
    await setImage(home, "web", "web:2");
    await settled(home, "web", 2, "web:2");
  });

  it("waits while it is paused, but follows its size", async () => {
    const home = await namespace("paused");
    await cluster.client.create(deployments, deployment(home, "web"));
    await settled(home, "web", 2, "web:1");
    await cluster.client.patch(deployments, { namespace: home, name: "web" }, { spec: { paused: true, replicas: 3 } });
    await setImage(home, "web", "web:2");
    await eventually(async () => {
      const images = (await list(fullPods, home)).map(({ spec }) => spec.containers[0]?.image);
      assert.deepEqual(images, ["web:1", "web:1", "web:1"]);
    });
    await cluster.client.patch(deployments, { namespace: home, name: "web" }, { spec: { paused: false } });
    await settled(home, "web", 3, "web:2");
  });

  it("runs a daemon set on every node and updates it", async () => {
    const home = await namespace("daemons");
    const { selector, template } = deployment(home, "daemon").spec;
    await cluster.client.create(daemonSets, { metadata: { name: "daemon", namespace: home }, spec: { selector, template } });
    const runs = (image: string) =>
      eventually(async () => {
        const { status } = await cluster.client.get(daemonSets, { namespace: home, name: "daemon" });
        assert.deepEqual([status?.desiredNumberScheduled, status?.updatedNumberScheduled, status?.numberAvailable], [2, 2, 2]);
        const found = (await list(fullPods, home)).map(({ spec }) => [spec.nodeName ?? "", spec.containers[0]?.image]);
        assert.deepEqual(found.sort(), [
          ["node-1", image],
          ["node-2", image],
        ]);
      });
    await runs("web:1");
    const change = { spec: { template: { spec: { containers: [{ name: "main", image: "web:2" }] } } } };
    await cluster.client.patch(daemonSets, { namespace: home, name: "daemon" }, change, { type: "strategic" });
    await runs("web:2");
    const history = async () =>
      (await list(controllerRevisions, home))
        .map(({ revision, data }) => `${revision} ${data?.spec?.template?.spec.containers[0]?.image}`)
        .sort();
    assert.deepEqual(await history(), ["1 web:1", "2 web:2"]);
    const [first] = (await list(controllerRevisions, home)).filter(({ revision }) => revision === 1);
    // as clients that compare its bytes write it: every object by the order of its names
    JSON.stringify(first?.data, (_name, value: unknown) => {
      if (typeof value === "object" && value !== null && !Array.isArray(value))
        assert.deepEqual(Object.keys(value), Object.keys(value).sort());
      return value;
    });
    assert.equal(Object.keys(first?.data?.spec?.template ?? {})[0], "$patch");
    await cluster.client.patch(daemonSets, { namespace: home, name: "daemon" }, first?.data, { type: "strategic" });
    await runs("web:1");
    assert.deepEqual(await history(), ["2 web:2", "3 web:1"], "a template that comes back is the newest, under its old name");
    await cluster.client.patch(daemonSets, { namespace: home, name: "daemon" }, { spec: { revisionHistoryLimit: 0 } });
    await eventually(async () => assert.deepEqual(await history(), ["3 web:1"]));
    await cluster.client.delete(daemonSets, { namespace: home, name: "daemon" });
    await eventually(async () => assert.deepEqual(await history(), []));
  });

  it("makes a pod of a stateful set below the partition anew as it was", async () => {
    const home = await namespace("canary");
    const { selector, template } = deployment(home, "db").spec;
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
    const spec: StatefulSet["spec"] = { replicas: 2, serviceName: "db", selector, template, updateStrategy };
    await cluster.client.create(statefulSets, { metadata: { name: "db", namespace: home }, spec });
    const runs = (...images: readonly string[]) =>
      eventually(async () => {
        const { status } = await cluster.client.get(statefulSets, { namespace: home, name: "db" });
        assert.equal(status?.readyReplicas, 2);
        const found = (await list(fullPods, home)).map(({ metadata, spec }) => `${metadata.name} ${spec.containers[0]?.image}`);
        assert.deepEqual(found.sort(), images);
      });
    await runs("db-0 web:1", "db-1 web:1");
    const change = { spec: { template: { spec: { containers: [{ name: "main", image: "web:2" }] } } } };
    await cluster.client.patch(statefulSets, { namespace: home, name: "db" }, change, { type: "strategic" });
    await runs("db-0 web:1", "db-1 web:2");
    const before = (await list(fullPods, home)).map(({ metadata }) => metadata.uid);
    for (const name of ["db-0", "db-1"]) await cluster.client.delete(fullPods, { namespace: home, name });
    await eventually(async () => {
      const uids = (await list(fullPods, home)).map(({ metadata }) => metadata.uid);
      assert.ok(uids.length === 2 && uids.every((uid) => !before.includes(uid)));
    });
    await runs("db-0 web:1", "db-1 web:2");
    const { status } = await cluster.client.get(statefulSets, { namespace: home, name: "db" });
    assert.deepEqual([status?.currentReplicas, status?.updatedReplicas], [1, 1]);
    assert.notEqual(status?.currentRevision, status?.updateRevision);
  });

  it("keeps the pods of a stateful set under their names, and updates them from the highest number on", async () => {
    const home = await namespace("stateful");
    const { selector, template } = deployment(home, "db").spec;
    const spec: StatefulSet["spec"] = { replicas: 3, serviceName: "db", selector, template };
    await cluster.client.create(statefulSets, { metadata: { name: "db", namespace: home }, spec });
    const runs = (image: string, ...names: readonly string[]) =>
      eventually(async () => {
        const { status } = await cluster.client.get(statefulSets, { namespace: home, name: "db" });
        assert.deepEqual([status?.readyReplicas, status?.updatedReplicas], [names.length, names.length]);
        assert.equal(status?.currentRevision, status?.updateRevision);
        const found = (await list(fullPods, home)).map(({ metadata, spec }) => [
          metadata.name,
          spec.hostname,
          spec.subdomain,
          spec.containers[0]?.image,
        ]);
        assert.deepEqual(
          found.sort(),
          names.map((name) => [name, name, "db", image]),
        );
      });
    await runs("web:1", "db-0", "db-1", "db-2");
    const change = { spec: { template: { spec: { containers: [{ name: "main", image: "web:2" }] } } } };
    await cluster.client.patch(statefulSets, { namespace: home, name: "db" }, change, { type: "strategic" });
    await runs("web:2", "db-0", "db-1", "db-2");
    await cluster.client.patch(statefulSets, { namespace: home, name: "db" }, { spec: { replicas: 1 } });
    await runs("web:2", "db-0");
    await cluster.client.delete(fullPods, { namespace: home, name: "db-0" });
    await runs("web:2", "db-0");
  });

  it("gives each pod of a stateful set its claims, which stay; a pod waits for the binding of its claims and says so", async () => {
    const home = await namespace("claims");
    const { selector, template: plain } = deployment(home, "db").spec;
    const [container = { name: "main" }] = plain.spec.containers;
    const containers = [{ ...container, volumeMounts: [{ name: "data", mountPath: "/data" }] }];
    const template = { ...plain, spec: { ...plain.spec, containers } };
    const resources = { requests: { storage: "1Gi" } };
    const claim = { metadata: { name: "data", labels: { kept: "yes" } }, spec: { accessModes: ["ReadWriteOnce"], resources } };
    const spec: StatefulSet["spec"] = { replicas: 2, serviceName: "db", selector, template, volumeClaimTemplates: [claim] };
    await cluster.client.create(statefulSets, { metadata: { name: "db", namespace: home }, spec });
    const message = (name: string, text: string) =>
      eventually(async () => {
        const { status } = await cluster.client.get(fullPods, { namespace: home, name });
        const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
        assert.deepEqual([status?.phase, condition?.status, condition?.reason], ["Pending", "False", "Unschedulable"]);
        const why = condition?.message ?? "";
        assert.ok(why.includes(text), JSON.stringify(condition));
        const told = (await list(events, home)).filter(({ involvedObject }) => involvedObject?.name === name);
        assert.ok(
          told.some(({ reason, message: said }) => reason === "FailedScheduling" && said === why),
          JSON.stringify(told),
        );
      });
    await message("db-0", 'pod has unbound immediate PersistentVolumeClaims: nobody in this lab makes a volume for "data-db-0"');
    const bind = async (name: string): Promise<void> => {
      await eventually(async () => {
        const { metadata, spec: claimed, status } = await cluster.client.get(persistentVolumeClaims, { namespace: home, name });
        assert.deepEqual([metadata.labels, claimed.volumeMode, status], [{ kept: "yes", app: "db" }, "Filesystem", { phase: "Pending" }]);
      });
      await cluster.client.patch(persistentVolumeClaims, { namespace: home, name, subresource: "status" }, { status: { phase: "Bound" } });
    };
    await bind("data-db-0");
    await bind("data-db-1");
    await eventually(async () => {
      const pods = await list(fullPods, home);
      const mounted = pods.map(({ metadata, spec: { volumes = [] }, status }) => [metadata.name, status?.phase, volumes[0]]);
      const volume = (claimName: string) => ({ name: "data", persistentVolumeClaim: { claimName } });
      assert.deepEqual(mounted, [
        ["db-0", "Running", volume("data-db-0")],
        ["db-1", "Running", volume("data-db-1")],
      ]);
    });
    await cluster.client.delete(statefulSets, { namespace: home, name: "db" });
    await eventually(async () => assert.equal((await list(fullPods, home)).length, 0));
    const kept = (await list(persistentVolumeClaims, home)).map(({ metadata }) => metadata.name);
    assert.deepEqual(kept, ["data-db-0", "data-db-1"]);
    const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "nothing" } }];
    await cluster.client.create(fullPods, {
      metadata: { name: "lost", namespace: home },
      spec: { containers: [{ name: "main", image: "web:1" }], volumes },
    });
    await message("lost", 'persistentvolumeclaim "nothing" not found');
  });

  it("replaces a pod that is relabelled, and leaves that one alone", async () => {
    const home = await namespace("relabel");
    await cluster.client.create(deployments, deployment(home, "web"));
    await settled(home, "web", 2, "web:1");
    const [pod] = await list(fullPods, home);
    await cluster.client.patch(fullPods, { namespace: home, name: pod?.metadata.name ?? "" }, { metadata: { labels: { app: "debug" } } });
    await settled(home, "web", 2, "web:1");
    const free = await cluster.client.get(fullPods, { namespace: home, name: pod?.metadata.name ?? "" });
    assert.deepEqual(free.metadata.ownerReferences ?? [], []);
  });

  it("deletes what a deployment made, at once, first, or never, as asked", async () => {
    const home = await namespace("cascade");
    for (const name of ["background", "foreground", "orphan"]) {
      await cluster.client.create(deployments, deployment(home, name, { replicas: 1 }));
      await settled(home, name, 1, "web:1");
    }
    const remove = (name: string, propagationPolicy: "Background" | "Foreground" | "Orphan") =>
      cluster.client.delete(deployments, { namespace: home, name }, { propagationPolicy });
    await remove("background", "Background");
    await remove("foreground", "Foreground");
    await remove("orphan", "Orphan");
    await eventually(async () => {
      for (const name of ["background", "foreground"]) {
        await gone(deployments, name, home);
        assert.equal((await list(fullPods, home, `app=${name}`)).length, 0);
      }
      await gone(deployments, "orphan", home);
      const [set] = await list(replicaSets, home, "app=orphan");
      assert.deepEqual(set?.metadata.ownerReferences ?? [], []);
      assert.equal((await list(fullPods, home, "app=orphan")).length, 1);
    });
  });
});

describe("services", () => {
  it("lists ready pods of both families under resolved named ports", async () => {
    const home = await namespace("slices");
    await cluster.client.create(deployments, deployment(home, "web"));
    const spec = { ipFamilyPolicy: "PreferDualStack", selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }] };
    await cluster.client.create(services, { metadata: { name: "web", namespace: home }, spec } as KubeObject);
    await settled(home, "web", 2, "web:1");
    await eventually(async () => {
      const slices = await list(endpointSlices, home, "kubernetes.io/service-name=web");
      assert.deepEqual(slices.map(({ addressType }) => addressType).sort(), ["IPv4", "IPv6"]);
      for (const { endpoints, ports } of slices) {
        assert.deepEqual(ports, [{ name: "", protocol: "TCP", port: 8080 }]);
        assert.deepEqual(
          endpoints?.map(({ conditions }) => conditions?.ready),
          [true, true],
        );
      }
    });
    await eventually(async () => {
      const { subsets } = await cluster.client.get(endpoints, { namespace: home, name: "web" });
      assert.deepEqual(
        subsets?.map(({ addresses, notReadyAddresses, ports }) => [addresses?.length, notReadyAddresses, ports]),
        [[2, undefined, [{ protocol: "TCP", port: 8080 }]]],
      );
    });
    await cluster.client.delete(services, { namespace: home, name: "web" });
    await eventually(async () => assert.equal((await list(endpointSlices, home)).length, 0));
    await eventually(() => gone(endpoints, "web", home));
  });

  it("without a selector have slices of what somebody wrote as Endpoints, for as long as it is there", async () => {
    const home = await namespace("outside");
    const metadata = { name: "db", namespace: home };
    await cluster.client.create(services, { metadata, spec: { ports: [{ port: 5432 }] } } as KubeObject);
    const own = (ip: string) => ({ metadata, subsets: [{ addresses: [{ ip }, { ip: "fd00::9" }], ports: [{ port: 5432 }] }] });
    const mirrored = async (): Promise<unknown> =>
      (await list(endpointSlices, home))
        .map(({ addressType, endpoints: all, ports }) => [addressType, all?.[0]?.addresses, ports?.[0]?.port])
        .toSorted();
    await cluster.client.create(endpoints, own("192.0.2.1"));
    await eventually(async () =>
      assert.deepEqual(await mirrored(), [
        ["IPv4", ["192.0.2.1"], 5432],
        ["IPv6", ["fd00::9"], 5432],
      ]),
    );
    await cluster.client.update(endpoints, own("192.0.2.2"));
    await eventually(async () => assert.deepEqual(((await mirrored()) as unknown[])[0], ["IPv4", ["192.0.2.2"], 5432]));
    await cluster.client.delete(endpoints, { namespace: home, name: "db" });
    await eventually(async () => assert.deepEqual(await mirrored(), []));
  });
});

describe("owners of custom kinds", () => {
  const resource: Resource<KubeObject> = { group: "example.org", version: "v1", plural: "apps", kind: "App", namespaced: true };
  const definition = {
    metadata: { name: "apps.example.org" },
    spec: {
      group: "example.org",
      scope: "Namespaced",
      names: { plural: "apps", singular: "app", kind: "App", listKind: "AppList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  };
  const definitions = {
    ...resource,
    group: "apiextensions.k8s.io",
    plural: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    namespaced: false,
  };
  let home = "";

  /** An App, and a ConfigMap that is its own. */
  const owned = async (name: string): Promise<void> => {
    const { metadata } = await cluster.client.create(resource, { metadata: { name, namespace: home } });
    const ownerReferences = [{ apiVersion: "example.org/v1", kind: "App", name, uid: metadata.uid ?? "", blockOwnerDeletion: true }];
    await cluster.client.create(configMaps, { metadata: { name, namespace: home, ownerReferences } });
  };
  const target = (name: string) => ({ namespace: home, name });

  before(async () => {
    home = await namespace("custom");
    await cluster.client.create(definitions, definition as KubeObject);
  });

  it("take what is theirs with them", async () => {
    await owned("plain");
    await cluster.client.delete(resource, target("plain"));
    await eventually(() => gone(configMaps, "plain", home));
  });

  it("go after it, when deleted in the foreground", async () => {
    await owned("last");
    await cluster.client.delete(resource, target("last"), { propagationPolicy: "Foreground" });
    await eventually(() => gone(resource, "last", home));
    await gone(configMaps, "last", home);
  });

  it("leave it without an owner, when that is asked for", async () => {
    await owned("left");
    await cluster.client.delete(resource, target("left"), { propagationPolicy: "Orphan" });
    await eventually(() => gone(resource, "left", home));
    assert.deepEqual((await cluster.client.get(configMaps, target("left"))).metadata.ownerReferences ?? [], []);
  });
});

describe("namespaces", () => {
  it("have a service account and the authority's certificate", async () => {
    const home = await namespace("fresh");
    await eventually(async () => {
      await cluster.client.get(serviceAccounts, { namespace: home, name: "default" });
      const { data } = await cluster.client.get(configMaps, { namespace: home, name: "kube-root-ca.crt" });
      assert.equal(data?.["ca.crt"], "certificate");
    });
  });

  it("go with everything in them", async () => {
    const home = await namespace("doomed");
    await cluster.client.create(deployments, deployment(home, "web"));
    await settled(home, "web", 2, "web:1");
    await cluster.client.delete(namespaces, { name: home });
    await eventually(() => gone(namespaces, home));
    assert.equal((await list(fullPods, home)).length, 0);
    assert.equal((await list(configMaps, home)).length, 0);
  });
});

describe("nodes", () => {
  it("get blocks of their own, of both families", async () => {
    await eventually(async () => {
      const blocks = (await list(fullNodes)).map(({ spec }) => spec?.podCIDRs ?? []);
      assert.deepEqual(blocks.flat().sort(), ["10.10.0.0/24", "10.10.1.0/24", "fd00:10:10:1::/64", "fd00:10:10::/64"]);
    });
  });

  it("take only pods that select them, and tell why not", async () => {
    const home = await namespace("picky");
    const pod = (name: string, disk: string) => ({
      metadata: { name, namespace: home },
      spec: { nodeSelector: { disk }, containers: [{ name: "main", image: "web:1" }] },
    });
    await cluster.client.create(fullPods, pod("fits", "node-2"));
    await cluster.client.create(fullPods, pod("nowhere", "node-9"));
    await eventually(async () => {
      assert.equal((await cluster.client.get(fullPods, { namespace: home, name: "fits" })).spec.nodeName, "node-2");
      const { status } = await cluster.client.get(fullPods, { namespace: home, name: "nowhere" });
      const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
      assert.equal(scheduled?.message, "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.");
    });
    await cluster.client.patch(fullNodes, { name: "node-1" }, { metadata: { labels: { disk: "node-9" } } });
    await eventually(async () =>
      assert.equal((await cluster.client.get(fullPods, { namespace: home, name: "nowhere" })).spec.nodeName, "node-1"),
    );
  });

  it("are lost when they fall silent: their pods stop serving and leave in time; they come back", async () => {
    const home = await namespace("lost");
    const pod = {
      metadata: { name: "web", namespace: home },
      spec: { nodeSelector: { disk: "node-2" }, containers: [{ name: "main", image: "web:1" }] },
    };
    await cluster.client.create(fullPods, pod);
    const ready = async () =>
      (await cluster.client.get(fullPods, { namespace: home, name: "web" })).status?.conditions?.find(({ type }) => type === "Ready")
        ?.status;
    await eventually(async () => assert.equal(await ready(), "True"));
    const touch = () => cluster.client.patch(fullNodes, { name: "node-2" }, { metadata: { annotations: { touched: String(wall.ahead) } } });
    wall.ahead += nodeGracePeriod * 2;
    await kubelet.renew("node-1");
    await touch();
    await eventually(async () => {
      const { spec, status } = await cluster.client.get(fullNodes, { name: "node-2" });
      assert.equal(status?.conditions?.find(({ type }) => type === "Ready")?.status, "Unknown");
      assert.deepEqual(
        spec?.taints?.map(({ effect }) => effect),
        ["NoSchedule", "NoExecute"],
      );
      assert.equal(await ready(), "False");
    });
    wall.ahead += seconds(301);
    await kubelet.renew("node-1");
    await touch();
    await eventually(() => gone(fullPods, "web", home));
    await kubelet.renew("node-2");
    await cluster.client.patch(
      fullNodes,
      { name: "node-2", subresource: "status" },
      { status: { conditions: [{ type: "Ready", status: "True" }] } },
    );
    await eventually(async () => assert.deepEqual((await cluster.client.get(fullNodes, { name: "node-2" })).spec?.taints ?? [], []));
  });
});
