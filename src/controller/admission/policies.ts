import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import { checkBlock, isMulticast } from "./blocks.ts";
import { checkLabels, isLabelKey } from "./labels.ts";
import type { AdmissionRequest, Verdict } from "./review.ts";

export interface PolicyContext {
  /** Whether there is a Tier of the name that the policy gives. */
  readonly tierExists: boolean;
  /** Feature gate L7NetworkPolicy. */
  readonly l7NetworkPolicy: boolean;
}

type Spec = NonNullable<AntreaPolicy["spec"]>;

/** Checks in the order in which users of the Go implementation meet them; the first that fails is told, in its words. */
export function checkPolicy({ object }: Pick<AdmissionRequest, "object">, context: PolicyContext): Verdict {
  const { spec } = object as AntreaPolicy;
  if (spec === undefined) return { denial: "spec is required" };
  for (const check of checks) {
    const denial = check(spec, context);
    if (denial !== undefined) return { denial };
  }
  return { warnings: warningsOf(spec) };
}

type Check = (spec: Spec, context: PolicyContext) => string | undefined;

const rulesOf = ({ ingress = [], egress = [] }: Spec): readonly AntreaRule[] => [...ingress, ...egress];
const first = <Item>(items: readonly Item[], check: (item: Item) => string | undefined): string | undefined => {
  for (const item of items) {
    const problem = check(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
};
const everyRule =
  (check: (rule: AntreaRule, context: PolicyContext) => string | undefined): Check =>
  (spec, context) =>
    first(rulesOf(spec), (rule) => check(rule, context));
const appliedToLists = (spec: Spec): readonly (readonly AppliedTo[])[] => [
  spec.appliedTo ?? [],
  ...rulesOf(spec).map(({ appliedTo = [] }) => appliedTo),
];

const checkTier: Check = ({ tier }, { tierExists }) => {
  if (tier === undefined || tier === "" || builtInTiers.some(({ name }) => name === tier.toLowerCase()) || tierExists) return undefined;
  return `tier ${tier} does not exist`;
};

const checkPass: Check = (spec) =>
  spec.tier?.toLowerCase() === "baseline" && rulesOf(spec).some(({ action }) => action === "Pass")
    ? "`Pass` action should not be set for Baseline Tier policy rules"
    : undefined;

const checkNames: Check = (spec) => {
  const names = rulesOf(spec).flatMap(({ name }) => (name ? [name] : []));
  return new Set(names).size === names.length ? undefined : "rules names must be unique within the policy";
};

const checkAppliedToPlace: Check = (spec) => {
  const inSpec = (spec.appliedTo ?? []).length > 0;
  const rules = rulesOf(spec);
  const inRules = rules.filter(({ appliedTo = [] }) => appliedTo.length > 0).length;
  if (inSpec && inRules > 0) return "appliedTo should not be set in both spec and rules";
  if (!inSpec && inRules === 0) return "appliedTo needs to be set in either spec or rules";
  return inRules > 0 && inRules < rules.length ? "appliedTo field should either be set in all rules or in none of them" : undefined;
};

const exclusive = ["group", "nodeSelector", "serviceAccount", "service"] as const;

/** Which of the exclusive fields is not alone in the entry. */
function notAlone(entry: AppliedTo | AntreaPeer, fields: readonly string[]): string | undefined {
  const present = Object.entries(entry).flatMap(([field, value]) => (value === undefined || value === "" ? [] : [field]));
  return present.length > 1 ? fields.find((field) => present.includes(field)) : undefined;
}

const checkAppliedToKinds: Check = (spec) =>
  first(appliedToLists(spec).flat(), (entry) => {
    const field = notAlone(entry, exclusive);
    return field === undefined ? undefined : `${field} cannot be set with other peers in appliedTo`;
  });

const isForServices = (entries: readonly AppliedTo[]): boolean => entries.some(({ service }) => service !== undefined);

const checkServices: Check = (spec) => {
  const { appliedTo = [], egress = [] } = spec;
  if (isForServices(appliedTo) && egress.length > 0) return "egress rule cannot be applied to Services";
  if (egress.some((rule) => isForServices(rule.appliedTo ?? []))) return "egress rule cannot be applied to Services";
  const isMixed = appliedToLists(spec).some((entries) => isForServices(entries) && entries.some(({ service }) => service === undefined));
  return isMixed ? "a rule/policy cannot be applied to Services and other peers at the same time" : undefined;
};

const selectorsOf = (entry: AppliedTo | AntreaPeer) => [
  entry.podSelector,
  entry.namespaceSelector,
  entry.externalEntitySelector,
  entry.nodeSelector,
];
const peersOf = ({ from = [], to = [] }: AntreaRule): readonly AntreaPeer[] => [...from, ...to];

const checkSelectors: Check = (spec) =>
  first([...appliedToLists(spec).flat(), ...rulesOf(spec).flatMap(peersOf)], (entry) => checkLabels(selectorsOf(entry)));

const checkPeers = everyRule((rule) =>
  first(peersOf(rule), (peer) => {
    const { namespaces, namespaceSelector, ipBlock } = peer;
    if (namespaces !== undefined) {
      if (namespaceSelector !== undefined)
        return "namespaces and namespaceSelector cannot be set at the same time for a single NetworkPolicyPeer";
      if (namespaces.match !== undefined && (namespaces.sameLabels ?? []).length > 0)
        return "only one matching criteria can be specified in a single peer namespaces field";
      const key = (namespaces.sameLabels ?? []).find((label) => !isLabelKey(label));
      if (key !== undefined) return `Invalid label key in sameLabels rule: ${key}`;
    }
    const problem = ipBlock === undefined ? undefined : checkBlock(ipBlock);
    if (problem !== undefined) return problem;
    const field = notAlone(peer, ["group", "serviceAccount", "nodeSelector"]);
    return field === undefined ? undefined : `${field} cannot be set with other peers in rules`;
  }),
);

const checkToServices = everyRule(({ toServices = [], to = [], ports = [], protocols = [] }) => {
  if (toServices.length > 0 && to.length + ports.length + protocols.length > 0)
    return "`toServices` cannot be used with `to`, `ports` or `protocols`";
  const elsewhere = toServices.find(({ scope }) => scope === "ClusterSet");
  return elsewhere && `toServices: ${elsewhere.name} has scope ClusterSet, but Services of other clusters are not known here`;
});

const checkServicePeers: Check = (spec) => {
  const rules = (spec.ingress ?? []).filter(({ appliedTo = [] }) =>
    isForServices(appliedTo.length > 0 ? appliedTo : (spec.appliedTo ?? [])),
  );
  const isOther = (peer: AntreaPeer): boolean => peer.ipBlock === undefined || Object.keys(peer).length > 1;
  return rules.some(({ from = [] }) => from.some(isOther))
    ? "a rule/policy that is applied to Services can only use ipBlock to select workloads"
    : undefined;
};

const checkNamesOfHosts = everyRule(({ to = [] }) => {
  const wrong = to.find(({ fqdn }) => fqdn !== undefined && fqdn !== "" && !/^[-0-9a-zA-Z.*]+$/.test(fqdn));
  return wrong === undefined ? undefined : `invalid characters in egress rule fqdn field: ${wrong.fqdn}`;
});

const checkMulticast: Check = ({ egress = [] }) =>
  first(egress, ({ action, to = [] }) => {
    const grouped = to.filter(({ ipBlock }) => ipBlock !== undefined && isMulticast(ipBlock.cidr));
    if (grouped.length === 0) return undefined;
    if (action === "Pass" || action === "Reject") return "multicast does not support action Pass or Reject";
    return grouped.length < to.length ? "can not set multicast groupAddress and unicast ip address at the same time" : undefined;
  });

const checkIgmp = everyRule(({ action, protocols = [], ports = [], toServices = [], from = [], to = [] }) => {
  const asked = protocols.flatMap(({ igmp }) => (igmp === undefined ? [] : [igmp]));
  if (asked.length === 0) return undefined;
  const single = asked.find(({ groupAddress }) => groupAddress !== undefined && groupAddress !== "" && !isMulticast(groupAddress));
  if (single !== undefined) return `groupAddress ${single.groupAddress} is not multicast`;
  if (action === "Pass" || action === "Reject") return "protocol IGMP does not support Pass or Reject";
  return asked.length < protocols.length || ports.length + toServices.length + from.length + to.length > 0
    ? "protocol IGMP can not be used with other protocols or other properties like from, to"
    : undefined;
});

const checkL7 = everyRule(({ action, l7Protocols = [], toServices = [], ports = [], protocols = [] }, { l7NetworkPolicy }) => {
  if (l7Protocols.length === 0) return undefined;
  if (!l7NetworkPolicy) return "layer 7 protocols can only be used when L7NetworkPolicy is enabled";
  if (action !== "Allow") return "layer 7 protocols only support Allow";
  if (toServices.length > 0) return "layer 7 protocols can not be used with toServices";
  if (ports.some(({ protocol = "TCP" }) => protocol !== "TCP"))
    return "HTTP protocol can only be used when layer 4 protocol is TCP or unset";
  return protocols.length > 0 ? "HTTP protocol can not be used with protocol IGMP or ICMP" : undefined;
});

const checkPorts = everyRule(({ ports = [] }) =>
  first(ports, ({ port, endPort, sourcePort, sourceEndPort }) => {
    if (endPort !== undefined) {
      if (port === undefined) return "if `endPort` is specified `port` must be specified";
      if (typeof port === "string") return "if `port` is a string `endPort` cannot be specified";
      if (endPort < port) return "`endPort` should be greater than or equal to `port`";
    }
    if (sourceEndPort === undefined) return undefined;
    if (sourcePort === undefined) return "if `sourceEndPort` is specified `sourcePort` must be specified";
    return sourceEndPort < sourcePort ? "`sourceEndPort` should be greater than or equal to `sourcePort`" : undefined;
  }),
);

const checks: readonly Check[] = [
  checkTier,
  checkPass,
  checkNames,
  checkAppliedToPlace,
  checkAppliedToKinds,
  checkServices,
  checkSelectors,
  checkPeers,
  checkToServices,
  checkServicePeers,
  checkNamesOfHosts,
  checkMulticast,
  checkIgmp,
  checkL7,
  checkPorts,
];

/** As many characters of a log label as the log of a node's own policies shows. */
const nodeLogLabelLimit = 12;

function warningsOf(spec: Spec): string[] {
  return rulesOf(spec).flatMap((rule) => {
    const entries = (rule.appliedTo ?? []).length > 0 ? (rule.appliedTo ?? []) : (spec.appliedTo ?? []);
    const isForNodes = entries.some(({ nodeSelector }) => nodeSelector !== undefined);
    const isLong = rule.enableLogging === true && (rule.logLabel ?? "").length > nodeLogLabelLimit;
    return isForNodes && isLong ? [`logLabel ${rule.logLabel} of a rule applied to Nodes is cut to ${nodeLogLabelLimit} characters`] : [];
  });
}
