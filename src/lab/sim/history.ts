import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import type { KubeObject, Namespace, NetworkPolicy, Pod } from "#lib/kube/index.ts";
import type { VirtualClock } from "#lib/runtime/index.ts";
import type { Objects } from "#lib/apiserver/objects.ts";

export type PolicyKind = "namespaces" | "pods" | "networkpolicies" | "clusternetworkpolicies";

/** One change of an object that policies depend on. */
export interface WorldChange {
  readonly at: number;
  readonly kind: PolicyKind;
  readonly key: string;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** The objects that policies depend on, now and as they were. */
export interface WorldHistory {
  follow(objects: Objects): void;
  /** Follows kinds that an API server has since learned of. */
  catchUp(): void;
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly clusterPolicies: ReadonlyMap<string, AntreaPolicy>;
  /** Changes from `since` on, oldest first. */
  changesSince(since: number): readonly WorldChange[];
}

const kinds: readonly { readonly kind: PolicyKind; readonly group: string }[] = [
  { kind: "namespaces", group: "" },
  { kind: "pods", group: "" },
  { kind: "networkpolicies", group: "networking.k8s.io" },
  { kind: "clusternetworkpolicies", group: "crd.antrea.io" },
];
/** Older changes are of no use: nobody is away for longer than this. In milliseconds. */
const keptFor = 600_000;

export function createHistory({ clock }: { readonly clock: VirtualClock }): WorldHistory {
  const present: Readonly<Record<PolicyKind, Map<string, KubeObject>>> = {
    namespaces: new Map(),
    pods: new Map(),
    networkpolicies: new Map(),
    clusternetworkpolicies: new Map(),
  };
  let followed: { readonly objects: Objects; readonly kinds: Set<PolicyKind> } | undefined;
  let changes: WorldChange[] = [];
  const catchUp = (): void => {
    if (followed === undefined || followed.kinds.size === kinds.length) return;
    for (const { kind, group } of kinds) {
      const collection = followed.kinds.has(kind) ? undefined : followed.objects.store.collection({ group, resource: kind });
      if (collection === undefined) continue;
      followed.kinds.add(kind);
      collection.watch(
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
            if (kind === "clusternetworkpolicies" && after !== undefined && isStatusOnly(before, after)) return true;
            changes.push({ at: clock.monotonic(), kind, key, before, after });
            return true;
          },
          close() {},
        },
      );
    }
  };
  return {
    namespaces: present.namespaces as Map<string, Namespace>,
    pods: present.pods as Map<string, Pod>,
    policies: present.networkpolicies as Map<string, NetworkPolicy>,
    clusterPolicies: present.clusternetworkpolicies as Map<string, AntreaPolicy>,
    catchUp,
    follow(objects) {
      followed = { objects, kinds: new Set() };
      catchUp();
    },
    changesSince(since) {
      const oldest = clock.monotonic() - keptFor;
      if (changes.length > 10_000 && (changes[0]?.at ?? 0) < oldest) changes = changes.filter(({ at }) => at >= oldest);
      let start = changes.length;
      while (start > 0 && (changes[start - 1]?.at ?? 0) >= since) start--;
      return changes.slice(start);
    },
  };
}

/** The controller writes how far each policy is enforced, again and again. */
const isStatusOnly = (before: KubeObject | undefined, after: KubeObject): boolean =>
  before?.metadata.generation !== undefined &&
  before.metadata.uid === after.metadata.uid &&
  before.metadata.generation === after.metadata.generation;
