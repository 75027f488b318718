import type { ClusterNetworkPolicy, ClusterPolicyPeer, NamespacedPods } from "#core/api/upstream/cluster-network-policy.ts";
import type { Direction, IpBlock, RuleAction, ServiceMatch } from "#core/api/controlplane/index.ts";
import { checkSelector, type GroupReference, type GroupSelector, selectPods } from "../group-selector.ts";
import type { LoweredRule } from "../lowered-policy.ts";
import { anybody, lowerBlock } from "./blocks.ts";
import type { Problems } from "./problems.ts";

/** A rule of a kind of policy.networking.k8s.io, with its ports read. */
export interface UpstreamRule {
  readonly direction: Direction;
  readonly index: number;
  readonly path: string;
  readonly name: string | undefined;
  readonly action: RuleAction;
  readonly peers: readonly ClusterPolicyPeer[];
  /** `unknown`: one of the entries is of a newer API. */
  readonly services: readonly ServiceMatch[] | "unknown";
}

/** Pods only, those on the network of their host never. */
export function lowerSubject(subject: NonNullable<ClusterNetworkPolicy["spec"]>["subject"], problems: Problems): readonly GroupReference[] {
  const selector = problems.attempt("spec.subject", () => podsOf(subject?.namespaces, subject?.pods));
  if (selector !== undefined) return [selector];
  problems.note("spec.subject", "has none of namespaces, pods; it selects nobody");
  return [];
}

/** What is not known fails closed: a rule that lets through matches nothing then, one that denies or passes on denies everything. */
export function lowerUpstreamRule(rule: UpstreamRule, problems: Problems): LoweredRule | undefined {
  const { direction, index, path, action, services, name } = rule;
  const given = { direction, priority: index, appliedTo: [], ...(name !== undefined && name !== "" && { name }) };
  const peers: GroupReference[] = [];
  const ipBlocks: IpBlock[] = [];
  const fqdns: string[] = [];
  let unknown = services === "unknown";
  for (const [at, peer] of rule.peers.entries()) {
    const place = `${path}.${direction === "In" ? "from" : "to"}[${at}]`;
    const { networks, domainNames } = peer;
    if (networks !== undefined) {
      for (const [number, cidr] of networks.entries()) {
        const block = lowerBlock({ cidr }, `${place}.networks[${number}]`, problems);
        if (block !== undefined) ipBlocks.push(block);
        else unknown = true;
      }
    } else if (domainNames !== undefined) fqdns.push(...domainNames.map((domain) => domain.toLowerCase()));
    else {
      const selector = problems.attempt(place, () => selectorOf(peer));
      if (selector !== undefined) peers.push(selector);
      else {
        problems.note(place, "selects in no way that is known");
        unknown = true;
      }
    }
  }
  if (!unknown && services !== "unknown") {
    if (peers.length === 0 && ipBlocks.length === 0 && fqdns.length === 0) return undefined;
    return { ...given, action, peers, ipBlocks, services, ...(fqdns.length > 0 && { fqdns }) };
  }
  if (action === "Allow") {
    problems.note(path, "allows in a way that is not known; it matches nothing");
    return undefined;
  }
  problems.note(path, "denies or passes on in a way that is not known; it denies everything");
  return { ...given, action: "Drop", peers: [], ipBlocks: anybody, services: [] };
}

function selectorOf({ namespaces, pods, nodes }: ClusterPolicyPeer): GroupSelector | undefined {
  if (nodes === undefined) return podsOf(namespaces, pods);
  checkSelector(nodes);
  return { kind: "Node", namespace: undefined, namespaceSelector: undefined, selector: nodes };
}

function podsOf(namespaces: NamespacedPods["namespaceSelector"] | undefined, pods: NamespacedPods | undefined): GroupSelector | undefined {
  if (namespaces !== undefined) return selectPods({ namespace: undefined, namespaceSelector: namespaces });
  if (pods === undefined) return undefined;
  return selectPods({ namespace: undefined, podSelector: pods.podSelector, namespaceSelector: pods.namespaceSelector });
}
