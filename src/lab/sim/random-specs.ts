import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyProtocol,
  ClusterPolicyRule,
  NamespacedPods,
} from "#core/api/upstream/cluster-network-policy.ts";
import type { LabelSelector, NetworkPolicyPort, Service } from "#lib/kube/index.ts";
import type { Random } from "#lib/runtime/index.ts";
import { firstPods } from "./node/addresses.ts";

type PolicySpec = NonNullable<AntreaPolicy["spec"]>;
type UpstreamSpec = NonNullable<ClusterNetworkPolicy["spec"]>;
type GroupSpec = NonNullable<AntreaGroup["spec"]>;

/** Pods of an application talk mostly to each other: few label values, so that selectors meet what is there. */
export const applications = ["web", "api", "db", "cache"] as const;
export const positions = ["front", "back"] as const;
export const stages = ["test", "live"] as const;
export const ports = [80, 81, 82] as const;
/** A tier of the cluster's own, between those that are always there. */
export const ownTier = { name: "company", priorities: [60, 120, 240] } as const;

/** Names of what there is when a specification is made, for those that refer to others. */
export interface Present {
  readonly namespaces: readonly string[];
  /** Of one namespace. */
  services(namespace: string): readonly string[];
  groups(namespace: string): readonly string[];
  clusterGroups(): readonly string[];
}

/** Specifications of the policies of clusters and of Antrea, of groups and of Services: all that the reference judges, with the values that pods have. */
export function randomSpecs({ random, present, nodes }: { readonly random: Random; readonly present: Present; readonly nodes: number }) {
  const pick = <Item>(items: readonly Item[]): Item => items[random.below(items.length)] as Item;
  const oneOf = <Value>(...makers: readonly (() => Value)[]): Value => pick(makers)();
  const application = (): LabelSelector => ({ matchLabels: { app: pick(applications) } });
  const position = (): LabelSelector => ({ matchLabels: { tier: pick(positions) } });
  const stage = (): LabelSelector => ({ matchLabels: { stage: pick(stages) } });
  const block = () => ({ cidr: firstPods(random.below(nodes))[0] });
  const openPorts = (): NetworkPolicyPort[] =>
    pick([[], [{ protocol: "UDP", port: pick(ports) }], [{ protocol: "UDP", port: 80, endPort: 81 }]]);
  /** One that was named already, where there is any. */
  const named = (names: readonly string[]): { readonly group: string } | undefined =>
    names.length > 0 && random.below(3) === 0 ? { group: pick(names) } : undefined;
  const clusterScope = (): AppliedTo & AntreaPeer =>
    named(present.clusterGroups()) ??
    oneOf<AppliedTo & AntreaPeer>(
      () => ({ podSelector: application() }),
      () => ({ podSelector: { matchLabels: { ...application().matchLabels, ...position().matchLabels } } }),
      () => ({ namespaceSelector: stage(), podSelector: position() }),
    );
  const ownScope = (namespace: string): AppliedTo & AntreaPeer =>
    named(present.groups(namespace)) ??
    oneOf<AppliedTo & AntreaPeer>(
      () => ({ podSelector: application() }),
      () => ({ podSelector: position() }),
    );
  const ownPeer = (namespace: string): AntreaPeer =>
    oneOf<AntreaPeer>(
      () => ownScope(namespace),
      () => ownScope(namespace),
      () => ({ namespaceSelector: stage(), podSelector: application() }),
      () => ({ ipBlock: block() }),
    );
  const rules = (tier: string, side: "from" | "to", peer: () => AntreaPeer): AntreaRule[] => {
    const actions = tier === "baseline" ? ["Allow", "Drop"] : ["Allow", "Drop", "Reject", "Pass"];
    return Array.from({ length: 1 + random.below(2) }, () => {
      const open = openPorts();
      return { action: pick(actions), [side]: [peer()], ...(open.length > 0 && { ports: open }) };
    });
  };
  const toService = (namespace: string): AntreaRule[] => {
    const names = present.services(namespace);
    return names.length === 0 || random.below(2) === 0
      ? []
      : [{ action: pick(["Allow", "Drop"]), toServices: [{ name: pick(names), namespace }] }];
  };
  const somePods = (): Pick<ClusterPolicyPeer, "namespaces" | "pods"> =>
    oneOf<{ readonly namespaces: LabelSelector } | { readonly pods: NamespacedPods }>(
      () => ({ namespaces: stage() }),
      () => ({ pods: { namespaceSelector: {}, podSelector: application() } }),
      () => ({ pods: { namespaceSelector: stage(), podSelector: position() } }),
    );
  /** Packets are of UDP: a rule about TCP is passed by. */
  const protocols = (): ClusterPolicyProtocol[] =>
    pick<ClusterPolicyProtocol[]>([
      [],
      [],
      [{ udp: { destinationPort: { number: pick(ports) } } }],
      [{ tcp: { destinationPort: { number: 80 } } }, { udp: { destinationPort: { range: { start: 80, end: 81 } } } }],
    ]);
  const upstreamRules = (side: "from" | "to", peer: () => ClusterPolicyPeer): ClusterPolicyRule[] =>
    Array.from({ length: 1 + random.below(2) }, () => {
      const open = protocols();
      return { action: pick(["Accept", "Deny", "Pass"]), [side]: [peer()], ...(open.length > 0 && { protocols: open }) };
    });
  const destinations = (): ClusterPolicyPeer => {
    const networks = firstPods(random.below(nodes));
    return random.below(4) === 0 ? { networks } : somePods();
  };
  const tier = (): string => pick(["emergency", "securityops", ownTier.name, "application", "baseline"]);
  const group = (children: readonly string[], namespace: string): GroupSpec =>
    oneOf<GroupSpec>(
      () => ({ podSelector: application() }),
      () => ({ podSelector: position(), namespaceSelector: stage() }),
      () => ({ ipBlocks: [block()] }),
      () => (children.length > 0 ? { childGroups: [pick(children)] } : { podSelector: position() }),
      () => {
        const names = present.services(namespace);
        return names.length > 0 ? { serviceReference: { name: pick(names), namespace } } : { podSelector: application() };
      },
    );
  return {
    selector: (): LabelSelector => oneOf<LabelSelector>(() => ({}), application, position),
    openPorts,
    clusterPolicy(): PolicySpec {
      const of = tier();
      const priority = 1 + random.below(5);
      const appliedTo = [clusterScope()];
      if (random.below(2) === 0) return { tier: of, priority, appliedTo, ingress: rules(of, "from", clusterScope) };
      return { tier: of, priority, appliedTo, egress: [...toService(pick(present.namespaces)), ...rules(of, "to", clusterScope)] };
    },
    policy(namespace: string): PolicySpec {
      const of = tier();
      const priority = 1 + random.below(5);
      const appliedTo = [ownScope(namespace)];
      const peer = (): AntreaPeer => ownPeer(namespace);
      if (random.below(2) === 0) return { tier: of, priority, appliedTo, ingress: rules(of, "from", peer) };
      return { tier: of, priority, appliedTo, egress: [...toService(namespace), ...rules(of, "to", peer)] };
    },
    /** Equal priorities are frequent: it is the rules' own order that decides then. */
    upstreamClusterPolicy(): UpstreamSpec {
      const sides = pick([["ingress"], ["egress"], ["ingress", "egress"]]);
      return {
        tier: pick(["Admin", "Baseline"]),
        priority: random.below(3),
        subject: somePods(),
        ...(sides.includes("ingress") && { ingress: upstreamRules("from", somePods) }),
        ...(sides.includes("egress") && { egress: upstreamRules("to", destinations) }),
      };
    },
    clusterGroup: (self: string): GroupSpec =>
      group(
        present.clusterGroups().filter((name) => name !== self),
        pick(present.namespaces),
      ),
    group: (namespace: string, self: string): GroupSpec =>
      group(
        present.groups(namespace).filter((name) => name !== self),
        namespace,
      ),
    service: (): NonNullable<Service["spec"]> => ({
      selector: { app: pick(applications) },
      ipFamilyPolicy: "RequireDualStack",
      ports: [
        { name: "one", protocol: "UDP", port: 80, targetPort: pick(ports) },
        { name: "two", protocol: "UDP", port: 81, targetPort: pick(ports) },
      ],
    }),
    tier: () => ({ priority: pick(ownTier.priorities) }),
  };
}
