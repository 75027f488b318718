// The controller's API over TLS, on an engine that was filled by hand, as a process of its own: what it is told to do comes as messages of its parent.
import { performance } from "node:perf_hooks";
import { createControlplaneStores } from "../../src/controller/controlplane/stores.ts";
import { controlplaneDefinitions, type PolicyReports } from "../../src/controller/controlplane/definitions.ts";
import { createPacing } from "../../src/controller/controlplane/pacing.ts";
import { temporaryCertificate } from "../../src/controller/serving/serving-certificate.ts";
import { controlplaneProtobuf, controlplaneResources, progressParameter } from "../../src/core/api/controlplane/index.ts";
import { createPolicyObjects } from "../../src/core/policy/index.ts";
import { allowAuthenticated } from "../../src/lib/apiserver/auth/authorizer.ts";
import { openObjects } from "../../src/lib/apiserver/objects.ts";
import type { StoreEvent } from "../../src/lib/apiserver/resource-store.ts";
import { createApiServer } from "../../src/lib/apiserver/server.ts";
import type { NetworkPolicy, Pod } from "../../src/lib/kube/index.ts";
import { milliseconds, systemRuntime } from "../../src/lib/runtime/index.ts";
import { processorSeconds } from "./processor.ts";
import type { Ask, Cluster, Told } from "./messages.ts";

const runtime = systemRuntime({ level: "error" });
const objects = createPolicyObjects();
const user = { username: "agent", groups: ["system:masters"] };
const stores = createControlplaneStores({
  engine: objects.engine,
  ready: () => Promise.resolve(),
  computed: () => ({ cluster: "bench", pods: "1", namespaces: "1", networkpolicies: "1" }),
  clock: runtime.clock,
  origin: "bench",
  pacing: createPacing({ clock: runtime.clock, random: runtime.random }),
});
const nobodyReports: PolicyReports = { take() {}, read: () => Promise.reject(new Error("agents of a bench report nothing")) };
const server = createApiServer({
  runtime,
  objects: openObjects({ runtime, resources: controlplaneDefinitions(stores.stores, nobodyReports) }),
  authenticators: [{ authenticate: () => user }],
  authorizer: allowAuthenticated,
  tls: { ...temporaryCertificate(runtime), clientAuthorities: [] },
  protobuf: controlplaneProtobuf,
});

const tell = (told: Told): void => void process.send?.(told);
/** The same scale in both processes. */
const now = (): number => performance.timeOrigin + performance.now();
let peak = 0;
let processorBefore = process.cpuUsage();
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, milliseconds(10)).unref();

/** Policy `everything` of the first namespace opens this port to it. */
const everything = (port: number): NetworkPolicy => ({
  metadata: { namespace: "team-0", name: "everything", uid: "everything" },
  spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ ports: [{ protocol: "TCP", port }], from: [{ podSelector: {} }] }] },
});

function fill({ nodes, pods, namespaces, policies }: Cluster): void {
  for (let index = 0; index < namespaces; index++)
    objects.apply("Namespace", `team-${index}`, { metadata: { name: `team-${index}`, uid: `ns-${index}`, labels: {} } });
  // The pods of a namespace are on different nodes, as a scheduler spreads them, and each node has some.
  const apart = namespaces % nodes === 0 ? 31 : 0;
  for (let index = 0; index < pods; index++) {
    const [namespace, name, node] = [
      `team-${index % namespaces}`,
      `pod-${index}`,
      (index + Math.floor(index / namespaces) * apart) % nodes,
    ];
    const pod: Pod = {
      metadata: { namespace, name, uid: `pod-${index}`, labels: { app: "web" } },
      spec: { nodeName: `node-${node}`, containers: [] },
      status: { podIPs: [{ ip: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}` }] },
    };
    objects.apply("Pod", `${namespace}/${name}`, pod);
  }
  for (let index = 0; index < policies; index++) {
    const namespace = `team-${index}`;
    objects.apply("K8sNetworkPolicy", `${namespace}/own`, {
      metadata: { namespace, name: "own", uid: `policy-${index}` },
      spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [{ podSelector: {} }] }] },
    });
  }
  objects.apply("K8sNetworkPolicy", "team-0/everything", everything(80));
  stores.publish(objects.flush());
}

/** Agents of nodes `from` up to `to` in this process: each encodes nothing, and takes what it is sent. */
async function followHere({ from, to }: { readonly from: number; readonly to: number }): Promise<void> {
  const parameters = new URLSearchParams({ [progressParameter]: "true" });
  for (let node = from; node < to; node++)
    for (const resource of controlplaneResources)
      await stores.stores[resource].watch?.(
        {
          labelSelector: [],
          fieldSelector: [{ path: "nodeName", equal: true, value: `node-${node}` }],
          allowBookmarks: true,
          sendInitialEvents: false,
        },
        {
          send(event: StoreEvent) {
            if (event.type === "MODIFIED") lastHere = now();
            if (event.type === "MODIFIED") heardHere++;
            return true;
          },
          close() {},
        },
        { user, parameters, signal: new AbortController().signal, dryRun: false, warn() {} },
      );
}
let lastHere = 0;
let heardHere = 0;
let port = 80;

process.on("message", (ask: Ask) => {
  void (async () => {
    switch (ask.do) {
      case "fill": {
        fill(ask.cluster);
        const listening = await server.listen({ host: "127.0.0.1", port: 0 });
        return tell({ done: "fill", port: listening.port });
      }
      case "follow-here":
        await followHere(ask);
        return tell({ done: "follow-here" });
      case "change": {
        const at = now();
        heardHere = 0;
        objects.apply("K8sNetworkPolicy", "team-0/everything", everything(++port));
        stores.publish(objects.flush());
        return tell({ done: "change", at, publishedAt: now(), lastHere, heardHere });
      }
      case "memory":
        for (let round = 0; round < 3; round++) globalThis.gc?.();
        return tell({ done: "memory", rss: process.memoryUsage.rss(), agents: stores.connectedAgents });
      case "forget-peak":
        peak = process.memoryUsage.rss();
        processorBefore = process.cpuUsage();
        return tell({ done: "forget-peak" });
      case "peak":
        return tell({ done: "peak", rss: peak, processorSeconds: processorSeconds(processorBefore) });
    }
  })();
});
process.on("disconnect", () => process.exit());
