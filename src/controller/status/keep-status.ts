import { policyRevision } from "#core/api/controlplane/index.ts";
import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import {
  adminNetworkPolicies,
  antreaClusterNetworkPolicies,
  antreaNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterGroups,
  groups,
  upstreamClusterNetworkPolicies,
} from "#core/api/antrea/resources.ts";
import type { PolicyChanges, PolicyObjects } from "#core/policy/index.ts";
import {
  type Condition,
  createWorkqueue,
  type KubeClient,
  type KubeObject,
  keyOf,
  type LeaseHold,
  type Resource,
} from "#lib/kube/index.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { PolicySource } from "../policy-sources.ts";
import type { LateNodes } from "./follow-late-nodes.ts";
import { once } from "../controlplane/once.ts";
import { enforcedCondition, groupConditions, isRealizable, realization, type RealizationOptions, withTimes } from "./realization.ts";
import type { RealizationReports } from "./reports.ts";

/** Many nodes report one change at nearly the same time: their reports are written as one. */
const debounce = milliseconds(200);
/** Writes at once. Few, so that status never delays what matters. */
const concurrency = 2;

/** In place of a group's name: all that have children. One look for all changes of a while, as ten thousand groups may come at once. */
const parents = "*";

const policyResources: Readonly<Record<string, Resource<AntreaPolicy>>> = {
  AntreaClusterNetworkPolicy: antreaClusterNetworkPolicies,
  AntreaNetworkPolicy: antreaNetworkPolicies,
};
/**
 * Kinds whose status has conditions and nothing else, of whoever has one to tell; their API names none. Ours are {@link enforcedCondition} and {@link realizableCondition}, the
 * others stay as they are.
 */
const upstreamResources: Readonly<Record<string, Resource<KubeObject>>> = {
  K8sClusterNetworkPolicy: upstreamClusterNetworkPolicies,
  AdminNetworkPolicy: adminNetworkPolicies as Resource<KubeObject>,
  BaselineAdminNetworkPolicy: baselineAdminNetworkPolicies as Resource<KubeObject>,
};
const groupResources: Readonly<Record<string, Resource<AntreaGroup>>> = { ClusterGroup: clusterGroups, Group: groups };

const hasStatus = (kind: string): boolean => kind in policyResources || kind in upstreamResources || kind in groupResources;

/** Writes how far policies are enforced, and whether groups could be computed, into their status. */
export function keepStatus(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  /** Only its holder writes. */
  readonly lease: Pick<LeaseHold, "held" | "onGained">;
  readonly objects: PolicyObjects;
  readonly sources: readonly PolicySource[];
  readonly reports: RealizationReports;
  /** Which nodes are late with members of a policy's groups. Default: nobody knows. */
  readonly late?: Pick<LateNodes, "of">;
  /** Hears of every write, with the kind. */
  readonly written?: (kind: string) => void;
}): {
  /** To be called with every change that was published. */
  changed(changes: PolicyChanges): void;
  /** An agent said something of the policy of this UID. */
  reported(uid: string): void;
} {
  const { runtime, client, signal, lease, objects, sources, reports, late, written = () => {} } = options;
  const keys = new Map<string, string>();
  const table = (kind: string) => sources.find((source) => source.kind === kind)?.table;
  const now = (): string => `${new Date(runtime.clock.wall()).toISOString().slice(0, 19)}Z`;

  const write = async <Kind extends KubeObject>(
    kind: string,
    resource: Resource<Kind>,
    object: Kind,
    before: unknown,
    status: { readonly conditions: readonly Condition[] },
  ): Promise<void> => {
    const former = (before as { readonly conditions?: readonly Condition[] } | undefined)?.conditions ?? [];
    const next = { ...status, conditions: withTimes(status.conditions, former, now()) };
    if (same(before, next)) return;
    const { namespace, name = "" } = object.metadata;
    await client.patch(resource, { namespace, name, subresource: "status" }, { status: next });
    written(kind);
  };
  const computedOf = (uid: string): Pick<RealizationOptions, "revision" | "staged" | "nodes" | "isLate"> => {
    const view = objects.engine.policy(uid);
    if (view === undefined) return { nodes: undefined, staged: false, revision: () => "" };
    const { row } = view;
    return {
      nodes: view.span.nodes(),
      staged: row.staged === true,
      revision: once(() => policyRevision(row)),
      ...(late !== undefined && { isLate: late.of(row) }),
    };
  };
  const work = async (id: string): Promise<void> => {
    const [kind = "", key = ""] = id.split(" ");
    if (key === parents) return lookAtParents(kind);
    const object = table(kind)?.get(key);
    if (object === undefined || !lease.held) return;
    const policyResource = policyResources[kind];
    if (policyResource !== undefined) {
      const policy = object as AntreaPolicy;
      const { uid = "", generation = 0 } = policy.metadata;
      const status = realization({
        generation,
        ...computedOf(uid),
        reports: reports.of(uid),
        unrealizable: objects.troubles.get(id)?.unrealizable,
        problems: objects.troubles.get(id)?.problems ?? [],
      });
      return write(kind, policyResource, policy, policy.status, status);
    }
    const upstreamResource = upstreamResources[kind];
    if (upstreamResource !== undefined) {
      const { uid = "", generation = 0 } = object.metadata;
      const { status } = object as { readonly status?: { readonly conditions?: readonly Condition[] } };
      const computed = realization({ generation, ...computedOf(uid), reports: reports.of(uid), unrealizable: undefined });
      const own = [
        ...computed.conditions.filter(({ type }) => type === enforcedCondition),
        isRealizable(objects.troubles.get(id)?.problems ?? []),
      ].map((each) => ({ ...each, observedGeneration: generation }));
      const others = (status?.conditions ?? []).filter(({ type }) => own.every((each) => each.type !== type));
      return write(kind, upstreamResource, object, status, { conditions: [...others, ...own] });
    }
    const groupResource = groupResources[kind];
    const content = objects.groupContent(key);
    if (groupResource === undefined || content === undefined) return;
    const group = object as AntreaGroup;
    return write(kind, groupResource, group, group.status, { conditions: groupConditions(content) });
  };
  const lookAtParents = (kind: string): void => {
    for (const group of (table(kind)?.rows() ?? []) as Iterable<AntreaGroup>)
      if ((group.spec?.childGroups ?? []).length > 0) look(`${kind} ${keyOf(group)}`);
  };
  const queue = createWorkqueue({ runtime, name: "status", signal, work, concurrency });
  const look = (id: string): void => queue.addAfter(id, debounce);
  lease.onGained(() => {
    for (const { kind, table: objectsOfKind } of sources)
      if (hasStatus(kind)) for (const object of objectsOfKind.rows()) look(`${kind} ${keyOf(object)}`);
  });

  for (const { kind, table: objectsOfKind } of sources) {
    if (!hasStatus(kind)) continue;
    objectsOfKind.subscribe(
      ({ key, before, after }) => {
        const gone = before?.metadata.uid;
        if (gone !== undefined && gone !== after?.metadata.uid) keys.delete(gone);
        if (after === undefined) return;
        keys.set(after.metadata.uid ?? "", `${kind} ${keyOf(after)}`);
        look(`${kind} ${key}`);
        // Groups with children are what these are.
        if (kind in groupResources) look(`${kind} ${parents}`);
      },
      { replay: true },
    );
  }
  const reported = (uid: string): void => {
    const id = keys.get(uid);
    if (id !== undefined) look(id);
  };
  return {
    reported,
    changed({ policies }) {
      for (const { name } of policies) reported(name);
    },
  };
}

/** Whether two statuses say the same, but for times. */
function same(before: unknown, now: unknown): boolean {
  return JSON.stringify(timeless(before)) === JSON.stringify(timeless(now));
}

function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "lastTransitionTime")
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, inner]) => [key, timeless(inner)]),
  );
}
