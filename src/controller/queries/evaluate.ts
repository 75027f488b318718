import type {
  Direction,
  NamespacedName,
  NetworkPolicy,
  PolicyPeer,
  PolicyReference,
  PolicyRule,
  RuleAction,
} from "#core/api/controlplane/index.ts";
import { blockHolds, type GroupUses, type PolicyEngine } from "#core/policy/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";

/** The rule that decides about a connection between two pods, as far as it can be said without ports. */
export interface Verdict {
  readonly policy: PolicyReference;
  /** Position in the policy's list of that direction; {@link isolationIndex} where a Kubernetes policy isolates and nothing allows. */
  readonly ruleIndex: number;
  readonly direction: Direction;
  readonly name: string;
  /** Absent for isolation. */
  readonly action?: RuleAction;
}

/** Stands for the rule that no Kubernetes policy writes down: whoever is selected is isolated. */
export const isolationIndex = 2 ** 31 - 1;

/** Kubernetes policies stand between the tier of Antrea policies that name none (250) and the baseline (253). */
const kubernetesTier = 251;
const baselineTier = 253;

/** A pod that is not known to the controller. */
export interface UnknownPod {
  readonly unknown: NamespacedName;
}

interface Candidate extends Verdict {
  readonly row: NetworkPolicy;
}

/**
 * The first rule, by tier, priority and position, that takes traffic from one pod to the other, whatever its ports; undefined: none does. A rule that
 * passes gives way to the first of a Kubernetes policy or of the baseline.
 */
export function evaluate(
  engine: PolicyEngine,
  { source, destination }: { readonly source: NamespacedName; readonly destination: NamespacedName },
): Verdict | UnknownPod | undefined {
  const from = podOf(engine, source);
  const to = podOf(engine, destination);
  if (from === undefined) return { unknown: source };
  if (to === undefined) return { unknown: destination };
  const candidates = [...candidatesOf("Out", from, to), ...candidatesOf("In", to, from)].sort(compare);
  const [first] = candidates;
  if (first?.action !== "Pass") return first;
  return (
    candidates.find(({ row, action }) => tierOf(row) === kubernetesTier || (tierOf(row) >= baselineTier && action !== "Pass")) ?? first
  );
}

interface EvaluatedPod {
  readonly subject: { readonly groups: ReadonlySet<string>; readonly policies: readonly NetworkPolicy[] };
  readonly peerGroups: ReadonlySet<string>;
  readonly ips: readonly IpAddress[];
}

function podOf(engine: PolicyEngine, { namespace, name }: NamespacedName): EvaluatedPod | undefined {
  const key = `${namespace}/${name}`;
  const uses = engine.usesOf("Pod", key);
  if (uses === undefined) return undefined;
  const groups = (list: GroupUses["asPeer"]): ReadonlySet<string> => new Set(list.map(({ group }) => group));
  return {
    subject: { groups: groups(uses.asSubject), policies: distinct(uses.asSubject) },
    peerGroups: groups(uses.asPeer),
    ips: engine.member("Pod", key)?.ips ?? [],
  };
}

/** A policy may apply to a pod by several groups. */
const distinct = (uses: GroupUses["asSubject"]): NetworkPolicy[] => [
  ...new Map(uses.flatMap(({ policies }) => policies.map((policy) => [policy.name, policy] as const))).values(),
];

/** Rules that apply to `subject` and name `other`, and the isolation of its Kubernetes policies. */
function candidatesOf(direction: Direction, { subject }: EvaluatedPod, other: EvaluatedPod): Candidate[] {
  return subject.policies.flatMap((row) => {
    const rules = row.rules.filter((rule) => rule.direction === direction);
    const found = rules.flatMap((rule, ruleIndex): Candidate[] =>
      appliesTo(rule, row, subject.groups) && names(rule.peer, other)
        ? [{ row, policy: row.sourceRef, ruleIndex, direction, name: rule.name ?? "", action: rule.action }]
        : [],
    );
    const isolates = row.sourceRef.type === "K8sNetworkPolicy" && rules.length > 0;
    return isolates ? [...found, { row, policy: row.sourceRef, ruleIndex: isolationIndex, direction, name: "" }] : found;
  });
}

function appliesTo(rule: PolicyRule, policy: NetworkPolicy, groups: ReadonlySet<string>): boolean {
  const named = rule.appliedToGroups.length > 0 ? rule.appliedToGroups : policy.appliedToGroups;
  return named.some((group) => groups.has(group));
}

const names = ({ addressGroups, ipBlocks }: PolicyPeer, { peerGroups, ips }: EvaluatedPod): boolean =>
  addressGroups.some((group) => peerGroups.has(group)) || ipBlocks.some((block) => ips.some((ip) => blockHolds(block, ip)));

const tierOf = ({ tierPriority = kubernetesTier }: NetworkPolicy): number => tierPriority;

function compare(one: Candidate, other: Candidate): number {
  return (
    tierOf(one.row) - tierOf(other.row) ||
    (one.row.priority ?? 0) - (other.row.priority ?? 0) ||
    one.ruleIndex - other.ruleIndex ||
    (one.row.name < other.row.name ? -1 : 1)
  );
}
