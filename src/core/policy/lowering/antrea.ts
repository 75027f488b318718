import type { AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import { baselineTierPriority, builtInTiers, defaultTier } from "#core/api/antrea/tier.ts";
import type { Direction, NamespacedName, RuleAction } from "#core/api/controlplane/index.ts";
import type { GroupReference } from "../group-selector.ts";
import type { LoweredRule } from "../lowered-policy.ts";
import { lowerAppliedTo, subjectNamespaces } from "./antrea-applied-to.ts";
import { hasNamespacesPeer, lowerAntreaPeers, lowerNamespacesPeers, sightOf } from "./antrea-peers.ts";
import { lowerAntreaServices } from "./antrea-services.ts";
import type { LoweringContext } from "./context.ts";
import type { Lowered } from "./lowered.ts";
import { Problems } from "./problems.ts";
import { stagingOf } from "./staging.ts";

/** What lowering one policy needs everywhere. */
export interface AntreaLowering {
  /** Undefined for ClusterNetworkPolicies. */
  readonly namespace: string | undefined;
  readonly context: LoweringContext;
  readonly problems: Problems;
}

/** Lowers a ClusterNetworkPolicy or NetworkPolicy of crd.antrea.io. */
export function lowerAntreaPolicy({ metadata, spec }: AntreaPolicy, context: LoweringContext): Lowered {
  const { namespace, name = "", uid = "", generation = 0 } = metadata;
  const problems = new Problems();
  const lowering: AntreaLowering = { namespace, context, problems };
  const tier = tierName(spec?.tier);
  const tierPriority = context.tierPriority(tier) ?? builtInTiers.find((builtIn) => builtIn.name === tier)?.priority;
  if (spec === undefined || tierPriority === undefined) {
    const message = `tier ${tier} does not exist`;
    return { policy: undefined, problems: [`spec.tier: ${message}`], unrealizable: { reason: "NetworkPolicyTierNotFound", message } };
  }
  const unsupported = groupOfOtherNamespaces(spec, lowering);
  if (unsupported !== undefined) {
    const message = `NetworkPolicy ${namespace}/${name} is applied to Group ${unsupported}, which selects Pods in other Namespaces`;
    return { policy: undefined, problems: [message], unrealizable: { reason: "NetworkPolicyAppliedToUnsupportedGroup", message } };
  }
  const perRule = spec.appliedTo === undefined || spec.appliedTo.length === 0;
  const isPerNamespace = namespace === undefined && [...(spec.ingress ?? []), ...(spec.egress ?? [])].some(hasNamespacesPeer);
  const lower = (direction: Direction, rules: readonly AntreaRule[], path: string): LoweredRule[] =>
    rules.flatMap((rule, priority) => {
      const appliedTo = perRule ? (rule.appliedTo ?? []) : (spec.appliedTo ?? []);
      return lowerRule({
        ...lowering,
        direction,
        rule,
        priority,
        path: `${path}[${priority}]`,
        appliedTo,
        // Rules name their subjects when they do not all have the same.
        namesSubjects: perRule || isPerNamespace,
        isBaseline: tierPriority === baselineTierPriority,
      });
    });
  return {
    policy: {
      sourceRef: {
        type: namespace === undefined ? "AntreaClusterNetworkPolicy" : "AntreaNetworkPolicy",
        ...(namespace !== undefined && { namespace }),
        name,
        uid,
      },
      generation,
      tierPriority,
      priority: spec.priority,
      ...stagingOf(metadata),
      ...(isRefusing(namespace, context) && { refusing: true as const }),
      appliedTo: perRule || isPerNamespace ? [] : lowerAppliedTo(spec.appliedTo ?? [], "spec.appliedTo", lowering),
      rules: [...lower("In", spec.ingress ?? [], "spec.ingress"), ...lower("Out", spec.egress ?? [], "spec.egress")],
    },
    problems: problems.found,
  };
}

/** Names of tiers as they were once written have capitals. */
const tierName = (tier: string | undefined): string => (tier || defaultTier).toLowerCase();

interface RuleLowering extends AntreaLowering {
  readonly direction: Direction;
  readonly rule: AntreaRule;
  readonly priority: number;
  readonly path: string;
  readonly appliedTo: readonly AppliedTo[];
  readonly namesSubjects: boolean;
  readonly isBaseline: boolean;
}

/** One rule; where its peers depend on the namespace of subjects, one for all namespaces that see the same; none where nothing can ever match. */
function lowerRule(lowering: RuleLowering): LoweredRule[] {
  const { direction, rule, priority, path, appliedTo, problems } = lowering;
  const action = actionOf(lowering);
  const services = lowerAntreaServices(rule, `${path}`, problems);
  if (action === undefined || services === undefined) return [];
  const sources = (direction === "In" ? rule.from : rule.to) ?? [];
  const toServices = ownServices(lowering);
  const given = {
    direction,
    action,
    priority,
    services,
    ...(rule.name !== undefined && rule.name !== "" && { name: rule.name }),
    ...(rule.enableLogging === true && { logging: true }),
    ...(rule.logLabel !== undefined && rule.logLabel !== "" && { logLabel: rule.logLabel }),
    ...(rule.l7Protocols !== undefined && rule.l7Protocols.length > 0 && { l7Protocols: rule.l7Protocols }),
  };
  const subjects = (): readonly GroupReference[] =>
    lowering.namesSubjects ? lowerAppliedTo(appliedTo, `${path}.appliedTo`, lowering) : [];
  // Services of which none can be meant match nothing, whatever the action.
  if (toServices.length === 0 && (rule.toServices ?? []).length > 0) return [];
  if (toServices.length > 0) return [{ ...given, peers: [], ipBlocks: [], toServices, appliedTo: subjects() }];
  const everywhere = sources.filter((peer) => peer.namespaces === undefined);
  const rules: LoweredRule[] = [];
  if (sources.length === 0 || everywhere.length > 0) {
    const peers = lowerAntreaPeers(everywhere, { ...lowering, services });
    // Peers of which none can be found match nothing, whatever the action.
    if (peers !== undefined) rules.push({ ...given, ...peers, appliedTo: subjects() });
  }
  if (everywhere.length === sources.length) return rules;
  const bySight = new Map<string, { readonly peers: readonly GroupReference[]; readonly appliedTo: GroupReference[] }>();
  for (const { namespace, references } of subjectNamespaces(appliedTo, path, lowering)) {
    const sight = sightOf(sources, namespace);
    const alike = bySight.get(sight);
    if (alike !== undefined) alike.appliedTo.push(...references);
    else bySight.set(sight, { peers: lowerNamespacesPeers(sources, namespace, lowering), appliedTo: [...references] });
  }
  for (const { peers, appliedTo: subjectsAlike } of bySight.values())
    if (peers.length > 0) rules.push({ ...given, peers, ipBlocks: [], appliedTo: subjectsAlike });
  return rules;
}

/** The Services of this cluster that the rule names. */
function ownServices({ rule, path, namespace: own = "", problems }: RuleLowering): NamespacedName[] {
  return (rule.toServices ?? []).flatMap(({ name, namespace = own, scope }, index) => {
    if (scope !== "ClusterSet") return [{ namespace, name }];
    problems.note(`${path}.toServices[${index}].scope`, "Services of other clusters are not known; this one matches nothing");
    return [];
  });
}

/** ClusterNetworkPolicies are no namespace's own. */
const isRefusing = (namespace: string | undefined, context: LoweringContext): boolean =>
  namespace !== undefined && context.isRefusing(namespace);

function actionOf(lowering: RuleLowering): RuleAction | undefined {
  const { rule, path, problems, isBaseline } = lowering;
  const { action } = rule;
  if (action === "Pass" && isBaseline) {
    problems.note(`${path}.action`, "Pass is no action of the baseline tier; the rule matches nothing");
    return undefined;
  }
  if (action === "Drop" && isRefusing(lowering.namespace, lowering.context)) return "Reject";
  if (action === "Allow" || action === "Drop" || action === "Reject" || action === "Pass") return action;
  problems.note(`${path}.action`, `${JSON.stringify(action)} is none of Allow, Drop, Reject, Pass; the rule drops`);
  return "Drop";
}

/** A Group that a NetworkPolicy is applied to must be of its own namespace in all it selects. */
function groupOfOtherNamespaces(spec: NonNullable<AntreaPolicy["spec"]>, { namespace, context }: AntreaLowering): string | undefined {
  if (namespace === undefined) return undefined;
  const entries = [
    ...(spec.appliedTo ?? []),
    ...[...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap(({ appliedTo = [] }) => appliedTo),
  ];
  // Each is asked for, so that each change of one is heard of.
  const found = entries.filter(({ group }) => group && context.group(`${namespace}/${group}`)?.crossesNamespaces);
  return found[0]?.group;
}
