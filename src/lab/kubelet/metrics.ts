import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { CriClient } from "#lib/cri/index.ts";
import { addProcessMetrics } from "#lib/daemon/process-metrics.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { labels } from "./observe.ts";
import type { KubeletPod } from "./pod.ts";

/** What a Prometheus gets of a node's kubelet: under the stock kubelet's names, those that this one can tell. */
export interface KubeletMetrics {
  /** Hears of every pod of the node, as the API has it, whenever it changes. */
  noted(pod: KubeletPod): void;
  forget(uid: string): void;
  /** `/metrics`, in Prometheus's text format. Rejects when the container runtime does not answer. */
  kubelet(): Promise<string>;
  /** `/metrics/resource`: what containers use. */
  resources(): Promise<string>;
  readonly contentType: string;
}

/** Bounds of how long a pod takes to start, in seconds: the stock kubelet's. */
const startBuckets = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1_200, 1_800, 2_700, 3_600];

const containerStates = {
  created: "CONTAINER_CREATED",
  running: "CONTAINER_RUNNING",
  exited: "CONTAINER_EXITED",
  unknown: "CONTAINER_UNKNOWN",
};

const nanosecondsPerSecond = 1e9;

export function createKubeletMetrics({
  cri,
  clock,
  nodeName,
}: {
  readonly cri: CriClient;
  readonly clock: Clock;
  readonly nodeName: string;
}): KubeletMetrics {
  const registry = new Registry();
  const registers = [registry];
  addProcessMetrics(registry);
  new Gauge({ name: "kubelet_node_name", help: "The node's name.", labelNames: ["node"], registers }).set({ node: nodeName }, 1);
  new Gauge({
    name: "kubelet_running_pods",
    help: "Pods whose sandbox runs.",
    registers,
    async collect() {
      const { items } = await cri.listPodSandbox({});
      this.set(new Set(items.filter(({ state }) => state === "SANDBOX_READY").map((sandbox) => sandbox.labels[labels.podUid])).size);
    },
  });
  new Gauge({
    name: "kubelet_running_containers",
    help: "Containers, by their state.",
    labelNames: ["container_state"],
    registers,
    async collect() {
      const { containers } = await cri.listContainers({});
      for (const [container_state, value] of Object.entries(containerStates))
        this.set({ container_state }, containers.filter(({ state }) => state === value).length);
    },
  });
  const starts = new Histogram({
    name: "kubelet_pod_start_duration_seconds",
    help: "Time from when the kubelet first saw a pod until the pod ran.",
    buckets: startBuckets,
    registers,
  });
  /** When pods were first seen that do not run yet, by uid. */
  const seen = new Map<string, number>();

  return {
    contentType: registry.contentType,
    noted({ metadata: { uid = "" }, status }) {
      const { phase = "Pending" } = status ?? {};
      const since = seen.get(uid);
      if (phase === "Pending") {
        if (since === undefined) seen.set(uid, clock.monotonic());
        return;
      }
      // one that failed never ran; one that ran before this process began was never seen to start
      if (since !== undefined && phase !== "Failed") starts.observe((clock.monotonic() - since) / 1_000);
      seen.delete(uid);
    },
    forget: (uid) => void seen.delete(uid),
    kubelet: () => registry.metrics(),
    resources: () => resourceMetrics(cri),
  };
}

async function resourceMetrics(cri: CriClient): Promise<string> {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ["container", "namespace", "pod"];
  const cpu = new Counter({ name: "container_cpu_usage_seconds_total", help: "Processor time of the container.", labelNames, registers });
  const memory = new Gauge({
    name: "container_memory_working_set_bytes",
    help: "Memory that the container works with.",
    labelNames,
    registers,
  });
  const { stats } = await cri.listContainerStats({});
  for (const { attributes, cpu: processor, memory: used } of stats) {
    const { [labels.containerName]: container, [labels.podNamespace]: namespace, [labels.podName]: pod } = attributes?.labels ?? {};
    if (container === undefined || namespace === undefined || pod === undefined) continue;
    const where = { container, namespace, pod };
    const nanoseconds = processor?.usageCoreNanoSeconds?.value;
    if (nanoseconds !== undefined) cpu.inc(where, Number(nanoseconds) / nanosecondsPerSecond);
    const bytes = used?.workingSetBytes?.value;
    if (bytes !== undefined) memory.set(where, Number(bytes));
  }
  return registry.metrics();
}
