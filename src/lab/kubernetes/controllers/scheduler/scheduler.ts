import { isConflict, isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { FullNode } from "../../kinds/node.ts";
import type { FullPod } from "../../kinds/pod/types.ts";
import type { ControllerContext } from "../cluster.ts";
import { createEventRecorder } from "../event-recorder.ts";
import { unboundClaim } from "../volume-claims.ts";
import { choose, refusal } from "./fit.ts";

const fullPods = pods as Resource<FullPod>;

/** Gives pods their node. */
export function runScheduler({ runtime, client, signal, cluster }: ControllerContext): void {
  const recorder = createEventRecorder({ runtime, client, component: "default-scheduler" });
  /** Pods that have been bound and are not yet seen to be: they count for their node already. */
  const assumed = new Map<string, { readonly pod: FullPod; readonly node: string }>();
  const waiting = new Set<string>();

  const podsOn = (node: string): readonly FullPod[] => {
    const seen = cluster.pods.by("node", node).filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
    const coming = [...assumed.values()].filter((one) => one.node === node).map(({ pod }) => pod);
    return coming.length === 0 ? seen : [...seen, ...coming];
  };

  const work = async (key: string): Promise<void> => {
    const pod = cluster.pods.get(key);
    if (pod === undefined || !isWaiting(pod) || assumed.has(key)) return;
    const nodes = [...cluster.nodes.rows()];
    const lacking = unboundClaim(pod, (claim) => cluster.persistentVolumeClaims.get(claim));
    if (lacking !== undefined) {
      waiting.add(key);
      await report(pod, `0/${nodes.length} nodes are available: ${lacking}.`);
      return;
    }
    const refusals = nodes.map((node) => refusal(pod, node, podsOn(node.metadata.name ?? "")));
    const fitting = nodes.filter((_, index) => refusals[index] === undefined);
    const node = choose(pod, fitting, podsOn)?.metadata.name;
    if (node === undefined) {
      waiting.add(key);
      await report(pod, explain(nodes, refusals));
      return;
    }
    waiting.delete(key);
    assumed.set(key, { pod, node });
    try {
      await bind(pod, node);
      recorder.record(fullPods, pod, { reason: "Scheduled", message: `Successfully assigned ${key} to ${node}` });
    } catch (error) {
      assumed.delete(key);
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  };

  const bind = ({ metadata }: FullPod, node: string): Promise<KubeObject> => {
    const { name = "", namespace = "", uid = "" } = metadata;
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: node },
    };
    return client.create<KubeObject>(fullPods as Resource<KubeObject>, binding, { name, subresource: "binding" });
  };

  const report = async (pod: FullPod, message: string): Promise<void> => {
    const before = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
    if (before?.status === "False" && before.message === message) return;
    recorder.record(fullPods, pod, { type: "Warning", reason: "FailedScheduling", message });
    const lastTransitionTime =
      before?.status === "False" ? before.lastTransitionTime : `${new Date(runtime.clock.wall()).toISOString().slice(0, 19)}Z`;
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message, lastTransitionTime };
    const { name = "", namespace } = pod.metadata;
    try {
      await client.patch(
        fullPods,
        { namespace, name, subresource: "status" },
        { status: { conditions: [condition] } },
        { type: "strategic" },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  // One at a time: each decision sees those before it.
  const queue = createWorkqueue({ runtime, name: "scheduler", work, signal, concurrency: 1 });
  const retryWaiting = (): void => {
    for (const key of waiting) queue.add(key);
  };
  cluster.pods.subscribe(
    ({ key, after }) => {
      if (after === undefined || after.spec.nodeName) assumed.delete(key);
      if (after === undefined) waiting.delete(key);
      if (after !== undefined && isWaiting(after)) queue.add(key);
      else if (after === undefined) retryWaiting();
    },
    { replay: true },
  );
  cluster.nodes.subscribe(retryWaiting);
  cluster.persistentVolumeClaims.subscribe(retryWaiting);
}

function isWaiting({ metadata, spec, status }: FullPod): boolean {
  const { schedulerName = "default-scheduler" } = spec as { readonly schedulerName?: string };
  const free = !spec.nodeName && metadata.deletionTimestamp === undefined && (spec.schedulingGates ?? []).length === 0;
  return free && schedulerName === "default-scheduler" && status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

/** `0/3 nodes are available: 1 node(s) were unschedulable, 2 Too many pods.` */
function explain(nodes: readonly FullNode[], refusals: readonly (string | undefined)[]): string {
  if (nodes.length === 0) return "no nodes available to schedule pods";
  const counts = Map.groupBy(refusals, (refused) => refused ?? "");
  const parts = [...counts].map(([reason, list]) =>
    reason === "Too many pods" ? `${list.length} ${reason}` : `${list.length} node(s) ${reason}`,
  );
  return `0/${nodes.length} nodes are available: ${parts.sort().join(", ")}.`;
}
