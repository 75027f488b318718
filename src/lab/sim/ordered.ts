import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy, AppliedTo } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { OtherObjects } from "#core/policy/cases/who.ts";
import type { KubeObject, Service } from "#lib/kube/index.ts";
import { createChoices } from "./choices.ts";
import { denyingAntrea, denyingUpstream } from "./denying.ts";
import type { WorldChange, WorldHistory, WorldKind } from "./history.ts";

/** Policies that decide one after the other, and what they are made of: none of them can be judged without the others. */
export interface OrderedChoices {
  readonly choices: readonly (readonly (KubeObject | undefined)[])[];
  readonly kinds: readonly WorldKind[];
  /** How many such policies there are or were, those about the other direction among them. */
  readonly policies: number;
}

/** Policies of the cluster and of Antrea that may be about a pod of the namespace in that direction, and the tiers, groups and Services that they name. */
export function orderedChoices(options: {
  readonly history: WorldHistory;
  readonly changes: readonly WorldChange[];
  readonly namespace: string;
  readonly direction: "Ingress" | "Egress";
  /** Whether a packet ends in a world of such a policy, whatever else is known of who sends and receives it. */
  readonly endsIn: (world: OtherObjects) => boolean;
}): OrderedChoices {
  const { history, changes, namespace, direction, endsIn } = options;
  const { statesOf, keysOf } = createChoices({ history, changes });
  const found = new Map<string, { readonly kind: WorldKind; readonly states: readonly (KubeObject | undefined)[] }>();
  const addGroup = (kind: "Group" | "ClusterGroup", home: string | undefined, name: string): void => {
    const key = home === undefined ? name : `${home}/${name}`;
    if (found.has(`${kind} ${key}`)) return;
    const states = statesOf(kind, key);
    found.set(`${kind} ${key}`, { kind, states });
    for (const state of states) {
      for (const child of state?.spec?.childGroups ?? []) addGroup(kind, home, child);
      const service = state?.spec?.serviceReference;
      if (service === undefined) continue;
      const reference = `${service.namespace ?? home}/${service.name}`;
      found.set(`Service ${reference}`, { kind: "Service", states: statesOf("Service", reference) });
    }
  };
  let policies = 0;
  /** States that are about the packet: all others are as good as none, and each one less is half as much to look at. */
  const add = <Policy extends AntreaPolicy | ClusterNetworkPolicy>(
    kind: WorldKind,
    key: string,
    all: readonly (Policy | undefined)[],
    concerns: (policy: Policy) => boolean,
  ): Policy[] => {
    policies++;
    const about = all.map((state) =>
      state !== undefined && isAbout(state, direction) && (all.length === 1 || concerns(state)) ? state : undefined,
    );
    const states = [...new Set(about)];
    const present = states.filter((state) => state !== undefined);
    if (present.length > 0) found.set(`${kind} ${key}`, { kind, states });
    return present;
  };
  const addAntrea = (kind: "AntreaClusterNetworkPolicy" | "AntreaNetworkPolicy", key: string): void => {
    // Who is in a group is another choice.
    const concerns = (policy: AntreaPolicy): boolean => groupsOf(policy).length > 0 || endsIn(denyingAntrea(policy));
    for (const state of add(kind, key, statesOf(kind, key), concerns)) {
      const home = kind === "AntreaNetworkPolicy" ? state.metadata.namespace : undefined;
      const tier = (state.spec?.tier || "application").toLowerCase();
      found.set(`Tier ${tier}`, { kind: "Tier", states: statesOf("Tier", tier) });
      for (const name of groupsOf(state)) addGroup(home === undefined ? "ClusterGroup" : "Group", home, name);
    }
  };
  for (const key of keysOf("AntreaClusterNetworkPolicy")) addAntrea("AntreaClusterNetworkPolicy", key);
  for (const key of keysOf("AntreaNetworkPolicy")) if (key.startsWith(`${namespace}/`)) addAntrea("AntreaNetworkPolicy", key);
  for (const key of keysOf("K8sClusterNetworkPolicy"))
    add("K8sClusterNetworkPolicy", key, statesOf("K8sClusterNetworkPolicy", key), (policy) => endsIn(denyingUpstream(policy)));
  const all = [...found.values()];
  return { choices: all.map(({ states }) => states), kinds: all.map(({ kind }) => kind), policies };
}

/** What the reference is told of one choice. */
export function worldOf(
  { kinds }: OrderedChoices,
  chosen: readonly (KubeObject | undefined)[],
): {
  readonly antreaPolicies?: readonly AntreaPolicy[];
  readonly clusterNetworkPolicies?: readonly ClusterNetworkPolicy[];
  readonly groups?: readonly AntreaGroup[];
  readonly clusterGroups?: readonly AntreaGroup[];
  readonly tiers?: readonly Tier[];
  readonly services?: readonly Service[];
} {
  const of = <Kind extends KubeObject>(...wanted: readonly WorldKind[]): Kind[] =>
    chosen.filter((each, index) => each !== undefined && wanted.includes(kinds[index] as WorldKind)) as Kind[];
  return {
    antreaPolicies: of<AntreaPolicy>("AntreaClusterNetworkPolicy", "AntreaNetworkPolicy"),
    clusterNetworkPolicies: of<ClusterNetworkPolicy>("K8sClusterNetworkPolicy"),
    groups: of<AntreaGroup>("Group"),
    clusterGroups: of<AntreaGroup>("ClusterGroup"),
    tiers: of<Tier>("Tier"),
    services: of<Service>("Service"),
  };
}

const isAbout = ({ spec }: AntreaPolicy | ClusterNetworkPolicy, direction: "Ingress" | "Egress"): boolean =>
  ((direction === "Ingress" ? spec?.ingress : spec?.egress) ?? []).length > 0;

function groupsOf({ spec }: AntreaPolicy): string[] {
  const rules = [...(spec?.ingress ?? []), ...(spec?.egress ?? [])];
  const named: readonly AppliedTo[] = [
    ...(spec?.appliedTo ?? []),
    ...rules.flatMap(({ appliedTo = [], from = [], to = [] }) => [...appliedTo, ...from, ...to]),
  ];
  return named.flatMap(({ group }) => (group === undefined ? [] : [group]));
}
