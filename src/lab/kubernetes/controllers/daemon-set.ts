import { isNotFound } from "#lib/kube/errors.ts";
import { pods } from "#lib/kube/kinds.ts";
import { keyOf, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { FullNode } from "../kinds/node.ts";
import type { FullPod, Toleration } from "../kinds/pod/types.ts";
import { same } from "../kinds/rules.ts";
import { type DaemonSet, daemonSets } from "../kinds/workload/types.ts";
import type { ControllerContext } from "./cluster.ts";
import { amount } from "./deployment/rollout.ts";
import { createEventRecorder } from "./event-recorder.ts";
import { hashOf, keepHistory } from "./history.ts";
import { claim, controllerOf } from "./owners.ts";
import { availableIn, isActive, isReady } from "./pod-state.ts";
import { podFrom } from "./pod-template.ts";
import { tolerates, unschedulableTaint } from "./scheduler/fit.ts";
import { until } from "./until.ts";

const hashLabel = "controller-revision-hash";
const fullPods = pods as Resource<FullPod>;

/** What the pods of a DaemonSet bear: they belong to the node, in whatever state it is. */
const daemonTolerations: readonly Toleration[] = [
  ...["not-ready", "unreachable"].map((state) => ({ key: `node.kubernetes.io/${state}`, operator: "Exists", effect: "NoExecute" })),
  ...["not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: "Exists",
    effect: "NoSchedule",
  })),
];

/** Keeps one pod of each DaemonSet on every node that its template selects. */
export function runDaemonSets(context: ControllerContext): void {
  const { runtime, client, signal, cluster } = context;
  const recorder = createEventRecorder({ runtime, client, component: "daemonset-controller" });

  const work = async (key: string): Promise<void> => {
    const set = cluster.daemonSets.get(key);
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
    const candidates = cluster.pods.by("namespace", set.metadata.namespace ?? "");
    const own = await claim({ client, owner: set, ownerResource: daemonSets, selector: set.spec.selector, resource: fullPods, candidates });
    const inUse = (hash: string): boolean => own.some(({ metadata }) => metadata.labels?.[hashLabel] === hash);
    const { present } = await keepHistory(context, { resource: daemonSets, owner: set, inUse });
    const hash = hashOf(set, present);
    const plan = planFor(set, { nodes: [...cluster.nodes.rows()], own, hash, now: runtime.clock.wall() });
    const uids = await Promise.all(plan.create.map((node) => create(set, node, hash)));
    await Promise.all(plan.remove.map((pod) => remove(set, pod)));
    await until(context, cluster.pods, () => uids.every((uid) => cluster.pods.by("uid", uid).length > 0));
    if (plan.nextCheck !== undefined) queue.addAfter(key, plan.nextCheck);
    const { observedGeneration: _seen, ...before } = set.status ?? {};
    if (same(before, plan.status) && _seen === set.metadata.generation) return;
    const { name = "", namespace } = set.metadata;
    const status = { ...plan.status, observedGeneration: set.metadata.generation ?? 0 };
    try {
      await client.patch(daemonSets, { namespace, name, subresource: "status" }, { status });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const create = async (set: DaemonSet, node: string, hash: string): Promise<string> => {
    const { metadata, spec } = podFrom(daemonSets, set);
    const labels = { ...metadata.labels, [hashLabel]: hash };
    const tolerations = [...(spec.tolerations ?? []), ...daemonTolerations];
    const made = await client.create(fullPods, { metadata: { ...metadata, labels }, spec: { ...spec, tolerations, nodeName: node } });
    recorder.record(daemonSets, set, { reason: "SuccessfulCreate", message: `Created pod: ${made.metadata.name}` });
    return made.metadata.uid ?? "";
  };
  const remove = async (set: DaemonSet, { metadata }: FullPod): Promise<void> => {
    const { name = "", namespace, uid = "" } = metadata;
    try {
      await client.delete(fullPods, { namespace, name }, { preconditions: { uid } });
      recorder.record(daemonSets, set, { reason: "SuccessfulDelete", message: `Deleted pod: ${name}` });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  const queue = createWorkqueue({ runtime, name: "daemonsets", work, signal });
  cluster.daemonSets.subscribe(({ key }) => queue.add(key), { replay: true });
  cluster.nodes.subscribe(({ before, after }) => {
    if (before !== undefined && after !== undefined && same(placing(before), placing(after))) return;
    for (const set of cluster.daemonSets.rows()) queue.add(keyOf(set));
  });
  cluster.pods.subscribe(({ before, after }) => {
    for (const pod of [before, after]) {
      const owner = pod && controllerOf(pod);
      if (owner?.kind === "DaemonSet") queue.add(`${pod?.metadata.namespace}/${owner.name}`);
    }
  });
}

/** What of a node decides whether a pod belongs on it. */
const placing = ({ metadata, spec }: FullNode): unknown => ({
  labels: metadata.labels,
  taints: spec?.taints,
  cordoned: spec?.unschedulable,
});

interface Plan {
  /** Nodes that need a pod. */
  readonly create: readonly string[];
  readonly remove: readonly FullPod[];
  readonly status: Omit<NonNullable<DaemonSet["status"]>, "observedGeneration">;
  /** Milliseconds until a pod becomes available by time alone. */
  readonly nextCheck: number | undefined;
}

/** The next step, `hash` being that of the present template: pods where they are missing, ended and misplaced ones away, and old ones as far as availability allows. */
export function planFor(
  set: DaemonSet,
  {
    nodes,
    own,
    hash,
    now,
  }: { readonly nodes: readonly FullNode[]; readonly own: readonly FullPod[]; readonly hash: string; readonly now: number },
): Plan {
  const wanted = nodes.filter((node) => belongs(set, node)).flatMap(({ metadata }) => metadata.name ?? []);
  const onNode = Map.groupBy(own, ({ spec }) => spec.nodeName ?? "");
  const serving = (node: string): readonly FullPod[] => (onNode.get(node) ?? []).filter(isActive);
  const isNew = ({ metadata }: FullPod): boolean => metadata.labels?.[hashLabel] === hash;
  const wait = (pod: FullPod): number | undefined => availableIn(pod, set.spec.minReadySeconds ?? 0, now);
  const isAvailable = (node: string): boolean => serving(node).some((pod) => wait(pod) === 0);

  const misplaced = own.filter(({ metadata, spec }) => !wanted.includes(spec.nodeName ?? "") && metadata.deletionTimestamp === undefined);
  const ended = own.filter((pod) => pod.metadata.deletionTimestamp === undefined && !isActive(pod) && !misplaced.includes(pod));
  const surplus = wanted.flatMap((node) =>
    serving(node)
      .toSorted((left, right) => Number(isNew(right)) - Number(isNew(left)))
      .slice(1),
  );
  const available = wanted.filter(isAvailable);
  const outdated = wanted.flatMap((node) => serving(node).slice(0, 1)).filter((pod) => !isNew(pod));
  const waits = own
    .filter(isActive)
    .flatMap((pod) => wait(pod) ?? [])
    .filter((milliseconds) => milliseconds > 0);
  return {
    create: wanted.filter((node) => (onNode.get(node) ?? []).length === 0),
    remove: [
      ...misplaced,
      ...ended,
      ...surplus,
      ...replaceable(set, { wanted: wanted.length, available: available.length, outdated, isAvailable }),
    ],
    nextCheck: waits.length === 0 ? undefined : Math.min(...waits),
    status: {
      desiredNumberScheduled: wanted.length,
      currentNumberScheduled: wanted.filter((node) => serving(node).length > 0).length,
      updatedNumberScheduled: wanted.filter((node) => serving(node).some(isNew)).length,
      numberMisscheduled: new Set(misplaced.map(({ spec }) => spec.nodeName)).size,
      numberReady: wanted.filter((node) => serving(node).some(isReady)).length,
      numberAvailable: available.length,
      numberUnavailable: wanted.length - available.length,
    },
  };
}

interface Update {
  readonly wanted: number;
  readonly available: number;
  readonly outdated: readonly FullPod[];
  readonly isAvailable: (node: string) => boolean;
}

/** Old pods that may go now: those that do not serve at once, others while no more than `maxUnavailable` nodes are without. */
function replaceable({ spec }: DaemonSet, { wanted, available, outdated, isAvailable }: Update): readonly FullPod[] {
  if (spec.updateStrategy?.type === "OnDelete") return [];
  const limit = Math.max(1, amount(spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, wanted, Math.ceil));
  const [useful, useless] = [
    outdated.filter((pod) => isAvailable(pod.spec.nodeName ?? "")),
    outdated.filter((pod) => !isAvailable(pod.spec.nodeName ?? "")),
  ];
  return [...useless, ...useful.slice(0, Math.max(0, limit - (wanted - available)))];
}

function belongs({ spec }: DaemonSet, { metadata, spec: node }: FullNode): boolean {
  const { nodeSelector = {}, tolerations = [] } = spec.template.spec;
  const selected = Object.entries(nodeSelector).every(([name, value]) => metadata.labels?.[name] === value);
  const borne = [...tolerations, ...daemonTolerations];
  return (
    selected &&
    (node?.taints ?? []).every(
      (taint) => taint.effect === "PreferNoSchedule" || taint.key === unschedulableTaint || tolerates(borne, taint),
    )
  );
}
