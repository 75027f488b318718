import type { AntreaPeer } from "#core/api/antrea/policy.ts";
import { isForServices } from "./applied-to.ts";
import { checkBlock, isMulticast } from "./blocks.ts";
import { checkLabels, isLabelKey } from "./labels.ts";
import {
  appliedToOf,
  first,
  type Placed,
  type PlacedRule,
  peersOf,
  type PlacedPolicy,
  presentFields,
  refusal,
  toServicesOf,
} from "./places.ts";

export const checkPeers = ({ rules }: PlacedPolicy): string | undefined =>
  first(rules, (rule) => checkToServices(rule) ?? first(peersOf(rule), checkPeer));

function checkToServices(rule: PlacedRule): string | undefined {
  const { to = [], ports = [], protocols = [] } = rule.item;
  return toServicesOf(rule).length > 0 && to.length + ports.length + protocols.length > 0
    ? refusal("`toServices` cannot be used with `to`, `ports` or `protocols`", `${rule.path}.toServices`)
    : undefined;
}

function checkPeer({ item, path }: Placed<AntreaPeer>): string | undefined {
  const { namespaces, namespaceSelector, ipBlock } = item;
  if (namespaces !== undefined) {
    if (namespaceSelector !== undefined)
      return refusal("namespaces and namespaceSelector cannot be set at the same time for a single NetworkPolicyPeer", path);
    const { match, sameLabels = [] } = namespaces;
    if (match !== undefined && sameLabels.length > 0)
      return refusal("only one matching criteria can be specified in a single peer namespaces field", `${path}.namespaces`);
    const key = sameLabels.find((label) => !isLabelKey(label));
    if (key !== undefined) return refusal(`Invalid label key in sameLabels rule: ${key}`, `${path}.namespaces.sameLabels`);
  }
  const problem = ipBlock === undefined ? undefined : checkBlock(ipBlock);
  if (problem !== undefined) return refusal(problem, `${path}.ipBlock`);
  const present = presentFields(item);
  const alone = (["group", "serviceAccount", "nodeSelector"] as const).find((field) => present.includes(field));
  if (alone !== undefined && present.length > 1) return refusal(`${alone} cannot be set with other peers in rules`, path);
  return checkLabels(item, path);
}

/** What comes in by a Service's node port has no pod to be known by. */
export const checkServicePeers = ({ spec, rules }: PlacedPolicy): string | undefined =>
  first(rules, (rule) => {
    if (rule.direction === "egress" || !(isForServices(appliedToOf(spec)) || isForServices(appliedToOf(spec, rule)))) return undefined;
    const other = peersOf(rule).find(({ item }) => item.ipBlock === undefined || presentFields(item).length > 1);
    return other && refusal("a rule/policy that is applied to Services can only use ipBlock to select workloads", other.path);
  });

export const checkNamesOfHosts = ({ rules }: PlacedPolicy): string | undefined =>
  first(rules.flatMap(peersOf), ({ item: { fqdn = "" }, path }) =>
    fqdn === "" || /^[-0-9a-zA-Z.*]+$/.test(fqdn)
      ? undefined
      : refusal(`invalid characters in egress rule fqdn field: ${fqdn}`, `${path}.fqdn`),
  );

/** Where pods may send to groups of hosts. A selector in another peer of the same rule is allowed, as the Go implementation has it. */
export const checkMulticast = ({ rules }: PlacedPolicy): string | undefined =>
  first(rules, (rule) => {
    if (rule.direction === "ingress") return undefined;
    const blocks = peersOf(rule).filter(({ item }) => item.ipBlock !== undefined);
    const grouped = blocks.find(({ item }) => isMulticast(item.ipBlock?.cidr ?? ""));
    if (grouped === undefined) return undefined;
    if (rule.item.action === "Pass" || rule.item.action === "Reject")
      return refusal("multicast does not support action Pass or Reject", `${rule.path}.action`);
    const single = blocks.find(({ item }) => !isMulticast(item.ipBlock?.cidr ?? ""));
    if (single !== undefined) return refusal("can not set multicast groupAddress and unicast ip address at the same time", single.path);
    const selecting = blocks.find(({ item }) => presentFields(item).some((field) => selecters.has(field)));
    return selecting && refusal("can not set multicast groupAddress and selectors at the same time", selecting.path);
  });

const selecters: ReadonlySet<string> = new Set([
  "podSelector",
  "namespaceSelector",
  "namespaces",
  "externalEntitySelector",
  "serviceAccount",
  "nodeSelector",
]);
