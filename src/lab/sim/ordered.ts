import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPolicy, AppliedTo } from "#core/api/antrea/policy.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { ClusterNetworkPolicy } from "#core/api/upstream/cluster-network-policy.ts";
import type { KubeObject, Service } from "#lib/kube/index.ts";
import { createChoices } from "./choices.ts";
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
}): OrderedChoices {
  const { history, changes, namespace, direction } = options;
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
  /** Its states, where any of them is about the direction. */
  const add = <Kind extends "AntreaClusterNetworkPolicy" | "AntreaNetworkPolicy" | "K8sClusterNetworkPolicy">(kind: Kind, key: string) => {
    policies++;
    const states = [...new Set(statesOf(kind, key).map((state) => (isAbout(state, direction) ? state : undefined)))];
    if (states.every((state) => state === undefined)) return [];
    found.set(`${kind} ${key}`, { kind, states });
    return states;
  };
  const addAntrea = (kind: "AntreaClusterNetworkPolicy" | "AntreaNetworkPolicy", key: string): void => {
    for (const state of add(kind, key)) {
      if (state === undefined) continue;
      const home = kind === "AntreaNetworkPolicy" ? state.metadata.namespace : undefined;
      const tier = (state.spec?.tier || "application").toLowerCase();
      found.set(`Tier ${tier}`, { kind: "Tier", states: statesOf("Tier", tier) });
      for (const name of groupsOf(state)) addGroup(home === undefined ? "ClusterGroup" : "Group", home, name);
    }
  };
  for (const key of keysOf("AntreaClusterNetworkPolicy")) addAntrea("AntreaClusterNetworkPolicy", key);
  for (const key of keysOf("AntreaNetworkPolicy")) if (key.startsWith(`${namespace}/`)) addAntrea("AntreaNetworkPolicy", key);
  for (const key of keysOf("K8sClusterNetworkPolicy")) add("K8sClusterNetworkPolicy", key);
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

const isAbout = (policy: AntreaPolicy | ClusterNetworkPolicy | undefined, direction: "Ingress" | "Egress"): boolean =>
  ((direction === "Ingress" ? policy?.spec?.ingress : policy?.spec?.egress) ?? []).length > 0;

function groupsOf({ spec }: AntreaPolicy): string[] {
  const rules = [...(spec?.ingress ?? []), ...(spec?.egress ?? [])];
  const named: readonly AppliedTo[] = [
    ...(spec?.appliedTo ?? []),
    ...rules.flatMap(({ appliedTo = [], from = [], to = [] }) => [...appliedTo, ...from, ...to]),
  ];
  return named.flatMap(({ group }) => (group === undefined ? [] : [group]));
}
