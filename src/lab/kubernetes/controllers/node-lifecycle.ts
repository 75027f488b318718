import { isConflict, isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { Timer } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { type FullNode, fullNodes, type Taint } from "../kinds/node.ts";
import type { FullPod } from "../kinds/pod/types.ts";
import { same } from "../kinds/rules.ts";
import type { ControllerContext } from "./cluster.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { covers, unschedulableTaint } from "./scheduler/fit.ts";

const leaseNamespace = "kube-node-lease";
const notReady = "node.kubernetes.io/not-ready";
const unreachable = "node.kubernetes.io/unreachable";
const fullPods = pods as Resource<FullPod>;

/**
 * Notices nodes whose heartbeat is overdue by `gracePeriod`: they become `Ready: Unknown`, get taints, their pods stop being ready and leave after
 * the time that they tolerate.
 */
export function runNodeLifecycle({ runtime, client, signal, cluster }: ControllerContext, gracePeriod: Duration): void {
  const recorder = createEventRecorder({ runtime, client, component: "node-controller" });
  const timers = new Map<string, Timer>();
  const timestamp = (): string => `${new Date(runtime.clock.wall()).toISOString().slice(0, 19)}Z`;

  /** Milliseconds since the last sign of life: the lease, or the node's own status. */
  const silence = (node: FullNode): number => {
    const lease = cluster.leases.get(`${leaseNamespace}/${node.metadata.name}`);
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
    const signs = [lease?.spec?.renewTime, ready?.lastHeartbeatTime, node.metadata.creationTimestamp].map(
      (time) => Date.parse(time ?? "") || 0,
    );
    return runtime.clock.wall() - Math.max(...signs);
  };

  const work = async (name: string): Promise<void> => {
    const node = cluster.nodes.get(name);
    if (node === undefined) {
      wake(name, Number.POSITIVE_INFINITY);
      return;
    }
    const left = gracePeriod - silence(node);
    const ready = node.status?.conditions?.find(({ type }) => type === "Ready")?.status;
    if (left <= 0 && ready !== "Unknown") await markLost(node);
    const state = left <= 0 ? "Unknown" : ready;
    await taint(node, state);
    if (state !== "True") await dimPods(name);
    wake(name, Math.min(left > 0 ? left : Number.POSITIVE_INFINITY, await evict(name)));
  };

  /** Looks at the node again after `delay`: one timer per node, whatever happens to it in between. */
  const wake = (name: string, delay: Duration): void => {
    timers.get(name)?.cancel();
    if (Number.isFinite(delay))
      timers.set(
        name,
        runtime.clock.after(delay + 1, () => queue.add(name), { background: true }),
      );
    else timers.delete(name);
  };

  const markLost = async (node: FullNode): Promise<void> => {
    const now = timestamp();
    const conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
      type,
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
      lastTransitionTime: now,
    }));
    const { name = "" } = node.metadata;
    await client.patch(fullNodes, { name, subresource: "status" }, { status: { conditions } }, { type: "strategic" });
    recorder.record(fullNodes, node, { reason: "NodeNotReady", message: `Node ${name} status is now: NodeNotReady` });
    runtime.logger.warn("node is lost", { node: name, gracePeriodMs: gracePeriod });
  };

  const taint = async (node: FullNode, ready: string | undefined): Promise<void> => {
    const { metadata, spec } = node;
    const key = ready === "Unknown" ? unreachable : ready === "True" ? undefined : notReady;
    const before: readonly Taint[] = spec?.taints ?? [];
    const own = (one: Taint): boolean => [notReady, unreachable, unschedulableTaint].includes(one.key);
    const keep = (wanted: Taint): Taint => before.find((one) => one.key === wanted.key && one.effect === wanted.effect) ?? wanted;
    const wanted: Taint[] = [
      ...(key === undefined ? [] : [keep({ key, effect: "NoSchedule" }), keep({ key, effect: "NoExecute", timeAdded: timestamp() })]),
      ...(spec?.unschedulable ? [keep({ key: unschedulableTaint, effect: "NoSchedule", timeAdded: timestamp() })] : []),
    ];
    const taints = [...before.filter((one) => !own(one)), ...wanted];
    if (same(taints, before)) return;
    const { name = "", resourceVersion } = metadata;
    try {
      await client.patch(fullNodes, { name }, { metadata: { resourceVersion }, spec: { taints } });
    } catch (error) {
      // Somebody else was first: the change that is on its way here brings the node up again.
      if (!isConflict(error)) throw error;
    }
  };

  /** Pods of a node that nobody hears of take no traffic from services. */
  const dimPods = async (node: string): Promise<void> => {
    const ready = cluster.pods
      .by("node", node)
      .filter(({ status }) => status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"));
    await Promise.all(
      ready.map(({ metadata }) => {
        const condition = { type: "Ready", status: "False", reason: "NodeNotReady", lastTransitionTime: timestamp() };
        return ignoreGone(() =>
          client.patch(
            fullPods,
            { namespace: metadata.namespace, name: metadata.name ?? "", subresource: "status" },
            { status: { conditions: [condition] } },
            { type: "strategic" },
          ),
        );
      }),
    );
  };

  /** Deletes pods whose time on the node is over. Resolves to the milliseconds until the next one's is. */
  const evict = async (name: string): Promise<Duration> => {
    const taints = (cluster.nodes.get(name)?.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
    const now = runtime.clock.wall();
    let next = Number.POSITIVE_INFINITY;
    if (taints.length === 0) return next;
    for (const pod of cluster.pods.by("node", name)) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const due = Math.min(...taints.map((one) => evictionTime(pod, one, now)));
      if (due > now) {
        next = Math.min(next, due - now);
        continue;
      }
      recorder.record(fullPods, pod, {
        reason: "TaintManagerEviction",
        message: `Marking for deletion Pod ${pod.metadata.namespace}/${pod.metadata.name}`,
      });
      await ignoreGone(() => client.delete(fullPods, { namespace: pod.metadata.namespace, name: pod.metadata.name ?? "" }));
    }
    return next;
  };

  const queue = createWorkqueue({ runtime, name: "node-lifecycle", work, signal });
  cluster.nodes.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.leases.subscribe(({ after }) => {
    const { namespace, name = "" } = after?.metadata ?? {};
    // A lease that is renewed in time changes nothing: the timer of the node looks at it.
    if (namespace === leaseNamespace && cluster.nodes.get(name)?.spec?.taints?.some(({ key }) => key === unreachable)) queue.add(name);
  });
}

/** When a taint drives a pod away: now, after the seconds that it tolerates, or never. */
function evictionTime({ spec }: FullPod, taint: Taint, now: number): number {
  const covering = (spec.tolerations ?? []).filter((toleration) => covers(toleration, taint));
  if (covering.length === 0) return now;
  const limits = covering.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
  return limits.length === 0 ? Number.POSITIVE_INFINITY : (Date.parse(taint.timeAdded ?? "") || now) + seconds(Math.min(...limits));
}

async function ignoreGone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
