import { isMulticast } from "./blocks.ts";
import { first, type PlacedPolicy, portsOf, protocolsOf, refusal } from "./places.ts";

/**
 * IGMP stands alone in its rule. The Go implementation also refuses ordinary rules behind one of IGMP, as it forgets to begin anew with each; a manifest that
 * passes there passes here.
 */
export const checkIgmp = ({ rules }: PlacedPolicy): string | undefined =>
  first(rules, (rule) => {
    const { action, protocols = [], ports = [], toServices = [], from = [], to = [] } = rule.item;
    const asked = protocolsOf(rule).filter(({ item }) => item.igmp !== undefined);
    if (asked.length === 0) return undefined;
    const problem = first(asked, ({ item: { igmp }, path }) => {
      const address = igmp?.groupAddress ?? "";
      return address === "" || isMulticast(address)
        ? undefined
        : refusal(`groupAddress ${address} is not multicast address`, `${path}.igmp.groupAddress`);
    });
    if (problem !== undefined) return problem;
    if (action === "Pass" || action === "Reject") return refusal("protocol IGMP does not support Pass or Reject", `${rule.path}.action`);
    return asked.length < protocols.length || ports.length + toServices.length + from.length + to.length > 0
      ? refusal("protocol IGMP can not be used with other protocols or other properties like from, to", rule.path)
      : undefined;
  });

export const checkL7 = ({ rules }: PlacedPolicy, { l7NetworkPolicy }: { readonly l7NetworkPolicy: boolean }): string | undefined =>
  first(rules, (rule) => {
    const { action, l7Protocols = [], toServices = [] } = rule.item;
    if (l7Protocols.length === 0) return undefined;
    if (!l7NetworkPolicy) return refusal("layer 7 protocols can only be used when L7NetworkPolicy is enabled", `${rule.path}.l7Protocols`);
    if (action !== "Allow") return refusal("layer 7 protocols only support Allow", `${rule.path}.action`);
    if (toServices.length > 0) return refusal("layer 7 protocols can not be used with toServices", `${rule.path}.toServices`);
    if (!l7Protocols.some((protocol) => typeof protocol === "object" && protocol !== null && "http" in protocol)) return undefined;
    const datagrams = portsOf(rule).find(({ item: { protocol = "TCP" } }) => protocol !== "TCP");
    if (datagrams !== undefined)
      return refusal("HTTP protocol can only be used when layer 4 protocol is TCP or unset", `${datagrams.path}.protocol`);
    const [other] = protocolsOf(rule);
    return other && refusal("HTTP protocol can not be used with protocol IGMP or ICMP", other.path);
  });

export const checkPorts = ({ rules }: PlacedPolicy): string | undefined =>
  first(rules.flatMap(portsOf), ({ item: { port, endPort, sourcePort, sourceEndPort }, path }) => {
    if (endPort !== undefined) {
      if (port === undefined) return refusal("if `endPort` is specified `port` must be specified", path);
      if (typeof port === "string") return refusal("if `port` is a string `endPort` cannot be specified", path);
      if (endPort < port) return refusal("`endPort` should be greater than or equal to `port`", path);
    }
    if (sourceEndPort === undefined) return undefined;
    if (sourcePort === undefined) return refusal("if `sourceEndPort` is specified `sourcePort` must be specified", path);
    return sourceEndPort < sourcePort ? refusal("`sourceEndPort` should be greater than or equal to `sourcePort`", path) : undefined;
  });
