import type { Direction, NetworkPolicy, PolicyReference } from "#core/api/controlplane/index.ts";
import type { GroupUse, PolicyEngine } from "#core/policy/index.ts";

/** What `antctl query endpoint` shows of one pod: the policies it is subject of, and the rules it is a peer of. */
export interface EndpointAnswer {
  readonly endpoints: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly policies: readonly PolicyReference[];
    readonly ingresssrcrules: readonly EndpointRule[];
    readonly egressdstrules: readonly EndpointRule[];
  }[];
}

interface EndpointRule {
  readonly policyref: PolicyReference;
  readonly direction: Direction;
  /** Position in the policy's list of that direction. */
  readonly ruleindex: number;
}

/** Undefined for a pod that is not known. */
export function queryEndpoint(
  engine: PolicyEngine,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): EndpointAnswer | undefined {
  const uses = engine.usesOf("Pod", `${namespace}/${name}`);
  if (uses === undefined) return undefined;
  const policies = distinct(uses.asSubject.map((use) => use.policies));
  return {
    endpoints: [
      {
        namespace,
        name,
        policies: references(policies),
        ingresssrcrules: peerRules(uses.asPeer, "In"),
        egressdstrules: peerRules(uses.asPeer, "Out"),
      },
    ],
  };
}

/** Ten thousand pods may share a group of ten thousand policies: what is worked out for one is there for the next. */
const referencesOf = new WeakMap<readonly NetworkPolicy[], readonly PolicyReference[]>();
const rulesOf = new WeakMap<readonly NetworkPolicy[], Readonly<Record<Direction, readonly EndpointRule[]>>>();

function references(policies: readonly NetworkPolicy[]): readonly PolicyReference[] {
  const known = referencesOf.get(policies) ?? policies.map(({ sourceRef }) => sourceRef);
  referencesOf.set(policies, known);
  return known;
}

function peerRules(uses: readonly GroupUse[], direction: Direction): readonly EndpointRule[] {
  const lists = uses.map((use) => rulesNaming(use)[direction]);
  if (lists.length <= 1) return lists[0] ?? [];
  // A rule may name several groups of the pod.
  const byPlace = new Map(lists.flat().map((rule) => [`${rule.policyref.uid} ${rule.ruleindex}`, rule]));
  return [...byPlace.values()];
}

function rulesNaming({ group, policies }: GroupUse): Readonly<Record<Direction, readonly EndpointRule[]>> {
  const known = rulesOf.get(policies);
  if (known !== undefined) return known;
  const rules: Record<Direction, EndpointRule[]> = { In: [], Out: [] };
  for (const policy of policies)
    for (const direction of ["In", "Out"] as const)
      for (const [ruleindex, { peer }] of policy.rules.filter((rule) => rule.direction === direction).entries())
        if (peer.addressGroups.includes(group)) rules[direction].push({ policyref: policy.sourceRef, direction, ruleindex });
  rulesOf.set(policies, rules);
  return rules;
}

function distinct(lists: readonly (readonly NetworkPolicy[])[]): readonly NetworkPolicy[] {
  return lists.length === 1 ? (lists[0] ?? []) : [...new Map(lists.flat().map((policy) => [policy.uid, policy])).values()];
}
