import type { PolicyObjectKind, PolicyObjectKinds } from "#core/policy/index.ts";
import type { EndpointSlice, KubeObject, Pod } from "#lib/kube/index.ts";
import type { VirtualClock } from "#lib/runtime/index.ts";
import type { Objects } from "#lib/apiserver/objects.ts";
import { createRunningPods, type RunningPods } from "./running-pods.ts";

/** The kinds of objects that decide about packets in a simulation, by what the policy engine calls them. */
export interface WorldKinds
  extends Pick<
    PolicyObjectKinds,
    | "Namespace"
    | "Pod"
    | "K8sNetworkPolicy"
    | "AntreaClusterNetworkPolicy"
    | "AntreaNetworkPolicy"
    | "K8sClusterNetworkPolicy"
    | "Tier"
    | "ClusterGroup"
    | "Group"
    | "Service"
  > {
  readonly EndpointSlice: EndpointSlice;
}
export type WorldKind = keyof WorldKinds;

const resources: Readonly<Record<WorldKind, { readonly group: string; readonly resource: string }>> = {
  Namespace: { group: "", resource: "namespaces" },
  Pod: { group: "", resource: "pods" },
  K8sNetworkPolicy: { group: "networking.k8s.io", resource: "networkpolicies" },
  AntreaClusterNetworkPolicy: { group: "crd.antrea.io", resource: "clusternetworkpolicies" },
  AntreaNetworkPolicy: { group: "crd.antrea.io", resource: "networkpolicies" },
  K8sClusterNetworkPolicy: { group: "policy.networking.k8s.io", resource: "clusternetworkpolicies" },
  Tier: { group: "crd.antrea.io", resource: "tiers" },
  ClusterGroup: { group: "crd.antrea.io", resource: "clustergroups" },
  Group: { group: "crd.antrea.io", resource: "groups" },
  Service: { group: "", resource: "services" },
  EndpointSlice: { group: "discovery.k8s.io", resource: "endpointslices" },
};
export const worldKinds = Object.keys(resources) as readonly WorldKind[];
/** The kinds that the policy engine reads. */
export const enginesKinds = worldKinds.filter((kind): kind is WorldKind & PolicyObjectKind => kind !== "EndpointSlice");

/** One change of an object that verdicts depend on. */
export interface WorldChange {
  readonly at: number;
  readonly kind: WorldKind;
  readonly key: string;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** The objects that verdicts depend on, now and as they were. */
export interface WorldHistory {
  follow(objects: Objects): void;
  /** Follows kinds that an API server has since learned of. */
  catchUp(): void;
  /** By `namespace/name`, or the name of what has no namespace. */
  readonly present: { readonly [Kind in WorldKind]: ReadonlyMap<string, WorldKinds[Kind]> };
  readonly pods: ReadonlyMap<string, WorldKinds["Pod"]>;
  readonly running: Pick<RunningPods, "all" | "onNode">;
  /** Changes from `since` on, oldest first; the same list as before while nothing changed. */
  changesSince(since: number): readonly WorldChange[];
}

/** So many changes are kept, of whatever age, before those that are of no use are forgotten. */
const mostUseless = 1_000;

/** `oldestUnseen`: nobody asks, now or later, for a change that is older. */
export function createHistory({
  clock,
  oldestUnseen,
}: {
  readonly clock: VirtualClock;
  readonly oldestUnseen: () => number;
}): WorldHistory {
  const present = Object.fromEntries(worldKinds.map((kind) => [kind, new Map<string, KubeObject>()])) as Record<
    WorldKind,
    Map<string, KubeObject>
  >;
  const running = createRunningPods();
  let followed: { readonly objects: Objects; readonly kinds: Set<WorldKind> } | undefined;
  let changes: WorldChange[] = [];
  let nextForgetting = mostUseless;
  /** Each change holds what an object was, with its text: in a cluster that starts as much as there is of pods. */
  const forgetOld = (): void => {
    if (changes.length < nextForgetting) return;
    const oldest = oldestUnseen();
    changes = changes.filter(({ at }) => at >= oldest);
    nextForgetting = changes.length + mostUseless;
  };
  /** The last answer of {@link WorldHistory.changesSince}: while nothing changes it is one list, whoever asks. */
  let last:
    | { readonly of: WorldChange[]; readonly length: number; readonly start: number; readonly list: readonly WorldChange[] }
    | undefined;
  const follow = (kind: WorldKind, { store }: Objects): boolean => {
    const collection = store.collection(resources[kind]);
    collection?.watch(
      { labelSelector: [], fieldSelector: [], allowBookmarks: false, sendInitialEvents: false },
      {
        send(event) {
          if (event.type === "ERROR" || event.type === "BOOKMARK") return true;
          const { namespace, name = "" } = event.object.metadata;
          const key = namespace === undefined ? name : `${namespace}/${name}`;
          const after = event.type === "DELETED" ? undefined : event.object;
          const before = present[kind].get(key);
          if (before?.metadata.resourceVersion === after?.metadata.resourceVersion && after !== undefined) return true;
          if (after === undefined) present[kind].delete(key);
          else present[kind].set(key, after);
          if (kind === "Pod") running.note(key, after as Pod | undefined);
          if (hasIdleStatus.has(kind) && after !== undefined && isStatusOnly(before, after)) return true;
          changes.push({ at: clock.monotonic(), kind, key, before, after });
          forgetOld();
          return true;
        },
        close() {},
      },
    );
    return collection !== undefined;
  };
  const catchUp = (): void => {
    if (followed === undefined || followed.kinds.size === worldKinds.length) return;
    for (const kind of worldKinds) if (!followed.kinds.has(kind) && follow(kind, followed.objects)) followed.kinds.add(kind);
  };
  return {
    present: present as unknown as WorldHistory["present"],
    pods: present.Pod as unknown as WorldHistory["pods"],
    running,
    catchUp,
    follow(objects) {
      followed = { objects, kinds: new Set() };
      catchUp();
    },
    changesSince(since) {
      let start = changes.length;
      while (start > 0 && (changes[start - 1]?.at ?? 0) >= since) start--;
      if (last === undefined || last.of !== changes || last.length !== changes.length || last.start !== start)
        last = { of: changes, length: changes.length, start, list: changes.slice(start) };
      return last.list;
    },
  };
}

/** The controller writes how far each policy is enforced, again and again: no verdict depends on that. */
const hasIdleStatus: ReadonlySet<WorldKind> = new Set([
  "AntreaClusterNetworkPolicy",
  "AntreaNetworkPolicy",
  "K8sClusterNetworkPolicy",
  "ClusterGroup",
  "Group",
]);

const isStatusOnly = (before: KubeObject | undefined, after: KubeObject): boolean =>
  before?.metadata.generation !== undefined &&
  before.metadata.uid === after.metadata.uid &&
  before.metadata.generation === after.metadata.generation;
