import type { AntreaGroup } from "#core/api/antrea/group.ts";
import type { AntreaPeer, AntreaPolicy, AntreaPort, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import type { Tier } from "#core/api/antrea/tier.ts";
import type { AdminNetworkPolicy, AdminPolicyPort } from "#core/api/upstream/admin-network-policy.ts";
import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyProtocol,
  DestinationPort,
} from "#core/api/upstream/cluster-network-policy.ts";
import type { Node, Service } from "#lib/kube/index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { OtherObjects } from "./who.ts";
import { type Chooser, randomBlock, randomLabels, randomSelector } from "./random-world.ts";

const namespaces = ["x", "y", "z"] as const;
const groupNames = ["g0", "g1", "g2", "g3"] as const;
const serviceNames = ["s0", "s1"] as const;
const accounts = ["one", "two"] as const;
const tierNames = ["", "emergency", "application", "baseline", "Baseline", "custom", "nowhere"] as const;
const protocols = ["TCP", "UDP", "SCTP"] as const;

/** Policies of all kinds beside those of Kubernetes, with the objects they name; some of what is named is not there. */
export function randomOthers(choose: Chooser): OtherObjects {
  return {
    nodes: (["node-1", "node-2"] as const).map(
      (name): Node => ({
        metadata: { name, labels: randomLabels(choose) },
        spec: { podCIDRs: [podCidrs[name][4].toString(), podCidrs[name][6].toString()] },
      }),
    ),
    services: choose.some(
      0,
      2,
      (index): Service => ({
        metadata: { namespace: choose.pick(namespaces), name: serviceNames[index] ?? "s0" },
        spec: choose.maybe(0.8) ? { selector: randomLabels(choose) } : {},
      }),
    ),
    externalEntities: choose.some(0, entities, (index) => randomEntity(choose, index)),
    tiers: choose.maybe(0.8)
      ? [{ metadata: { name: "custom", uid: "tier" }, spec: { priority: choose.pick([40, 219, 230]) } } satisfies Tier]
      : [],
    clusterGroups: distinct(choose.some(0, 4, () => randomGroup(choose, undefined))),
    groups: distinct(choose.some(0, 4, () => randomGroup(choose, choose.pick(namespaces)))),
    antreaPolicies: choose.some(0, 4, (index) => randomAntreaPolicy(choose, index)),
    clusterNetworkPolicies: choose.some(0, 2, (index) => randomClusterPolicy(choose, index)),
    adminNetworkPolicies: choose.maybe(0.4) ? [randomAdminPolicy(choose, "anp")] : [],
    baselineAdminNetworkPolicies: choose.maybe(0.3) ? [randomAdminPolicy(choose, "banp")] : [],
  };
}

const entities = 2;

/** Every name under which agents may ask for the policies of random ExternalEntities. */
export const enforcerNames: readonly string[] = Array.from({ length: entities }, (_, index) => `vm-${index}`).flatMap((name) => [
  name,
  ...namespaces.map((namespace) => `${namespace}/${name}`),
]);

/** Some are made of ExternalNodes, some were written, and some of those are only peers. */
function randomEntity(choose: Chooser, index: number): ExternalEntity {
  const name = `vm-${index}`;
  const isMade = choose.maybe(0.5);
  const addresses = [`192.0.2.${80 + index}`, `2001:db8::${80 + index}`];
  return {
    kind: "ExternalEntity",
    metadata: {
      namespace: choose.pick(namespaces),
      name,
      labels: randomLabels(choose),
      ...(isMade && { ownerReferences: [{ apiVersion: "crd.antrea.io/v1alpha1", kind: "ExternalNode", name, uid: name }] }),
    },
    spec: {
      endpoints: (choose.maybe(0.8) ? addresses : [choose.pick(["192.0.2.90", "2001:db8::90"])]).map((ip) => ({ ip })),
      ports: choose.some(0, 2, () => ({
        name: choose.pick(["web", "dns"]),
        port: choose.pick([80, 81, 82]),
        protocol: choose.pick(protocols),
      })),
      ...((isMade || choose.maybe(0.6)) && { externalNode: name }),
    },
  };
}

function distinct(groups: readonly AntreaGroup[]): AntreaGroup[] {
  return [...new Map(groups.map((group) => [`${group.metadata.namespace}/${group.metadata.name}`, group])).values()];
}

function randomGroup(choose: Chooser, namespace: string | undefined): AntreaGroup {
  const kind = choose.below(8);
  const spec: NonNullable<AntreaGroup["spec"]> =
    kind === 0
      ? { podSelector: randomSelector(choose) }
      : kind === 1
        ? { namespaceSelector: randomSelector(choose), ...(choose.maybe(0.5) ? { podSelector: randomSelector(choose) } : {}) }
        : kind === 2
          ? { ipBlocks: choose.some(1, 2, () => randomBlock(choose, 9)) }
          : kind === 7
            ? {
                externalEntitySelector: randomSelector(choose),
                ...(choose.maybe(0.4) ? { namespaceSelector: randomSelector(choose) } : {}),
              }
            : kind === 3
              ? { serviceReference: { namespace: namespace ?? choose.pick(namespaces), name: choose.pick(serviceNames) } }
              : kind === 6 && namespace === undefined
                ? { nodeSelector: randomSelector(choose) }
                : { childGroups: choose.some(1, 2, () => choose.pick(groupNames)) };
  const name = choose.pick(groupNames);
  return {
    metadata: { ...(namespace !== undefined && { namespace }), name, uid: `group-${namespace}-${name}` },
    spec: { ...spec, ...(spec.childGroups && { childGroups: spec.childGroups.filter((child) => child !== name) }) },
  };
}

function randomAntreaPolicy(choose: Chooser, index: number): AntreaPolicy {
  const namespace = choose.maybe(0.5) ? choose.pick(namespaces) : undefined;
  const perRule = choose.maybe(0.3);
  const tier = choose.pick(tierNames);
  const rules = (side: "from" | "to") =>
    choose.some(0, 3, () => randomRule(choose, { side, namespace, perRule, mayPass: tier.toLowerCase() !== "baseline" }));
  return {
    metadata: { ...(namespace !== undefined && { namespace }), name: `antrea-${index}`, uid: `antrea-${index}`, generation: 1 },
    spec: {
      ...(tier !== "" && { tier }),
      priority: choose.pick([1, 1, 2, 2.5]),
      ...(perRule ? {} : { appliedTo: choose.some(1, 2, () => randomAppliedTo(choose, namespace)) }),
      ingress: rules("from"),
      egress: rules("to"),
    },
  };
}

interface RuleOptions {
  readonly side: "from" | "to";
  readonly namespace: string | undefined;
  readonly perRule: boolean;
  readonly mayPass: boolean;
}

function randomRule(choose: Chooser, { side, namespace, perRule, mayPass }: RuleOptions): AntreaRule {
  const ports = choose.maybe(0.4) ? {} : { ports: choose.some(1, 2, () => randomPort(choose)) };
  return {
    action: choose.pick(mayPass ? ["Allow", "Drop", "Reject", "Pass"] : ["Allow", "Drop", "Reject"]),
    ...(choose.maybe(0.2) ? {} : { [side]: choose.some(1, 2, () => randomPeer(choose, namespace)) }),
    ...ports,
    ...(choose.maybe(0.15) ? { protocols: [{ icmp: {} }] } : {}),
    ...(perRule ? { appliedTo: choose.some(1, 2, () => randomAppliedTo(choose, namespace)) } : {}),
  };
}

function randomAppliedTo(choose: Chooser, namespace: string | undefined): AppliedTo {
  const kind = choose.below(namespace === undefined ? 7 : 6);
  if (kind === 0) return {};
  // Of policies of namespaces alone.
  if (namespace !== undefined && kind > 3) return { externalEntitySelector: randomSelector(choose) };
  if (kind === 1) return { group: choose.pick(groupNames) };
  if (kind <= 3) return { podSelector: randomSelector(choose) };
  if (kind === 4) return { serviceAccount: { namespace: choose.pick(namespaces), name: choose.pick(accounts) } };
  return { namespaceSelector: randomSelector(choose), ...(kind === 5 ? { podSelector: randomSelector(choose) } : {}) };
}

function randomPeer(choose: Chooser, namespace: string | undefined): AntreaPeer {
  const kind = choose.below(9);
  if (namespace !== undefined && kind > 5)
    return { externalEntitySelector: randomSelector(choose), ...(kind === 8 ? { namespaceSelector: randomSelector(choose) } : {}) };
  if (kind === 0) return { ipBlock: randomBlock(choose, 9) };
  if (kind === 1) return { group: choose.pick(groupNames) };
  if (kind === 2) return { podSelector: randomSelector(choose) };
  if (kind === 3) return { namespaceSelector: randomSelector(choose) };
  if (kind === 4) return { namespaceSelector: randomSelector(choose), podSelector: randomSelector(choose) };
  if (kind === 5) return { nodeSelector: randomSelector(choose) };
  if (kind === 6) return { serviceAccount: { namespace: choose.pick(namespaces), name: choose.pick(accounts) } };
  const podSelector = choose.maybe(0.3) ? { podSelector: randomSelector(choose) } : {};
  if (kind === 7) return { namespaces: { match: "Self" }, ...podSelector };
  return { namespaces: { sameLabels: choose.pick<readonly string[]>([["app"], ["tier"], ["app", "tier"]]) }, ...podSelector };
}

function randomPort(choose: Chooser): AntreaPort {
  const protocol = choose.maybe(0.3) ? {} : { protocol: choose.pick(protocols) };
  if (choose.maybe(0.2)) return protocol;
  if (choose.maybe(0.3)) return { ...protocol, port: choose.pick(["web", "dns"]) };
  const port = choose.pick([80, 81, 82]);
  return { ...protocol, port, ...(choose.maybe(0.3) ? { endPort: 82 } : {}) };
}

function randomClusterPolicy(choose: Chooser, index: number): ClusterNetworkPolicy {
  const rules = (side: "from" | "to") =>
    choose.some(0, 3, () => ({
      action: choose.pick(["Accept", "Deny", "Pass"]),
      [side]: choose.some(1, 2, () => randomClusterPeer(choose, side)),
      ...(choose.maybe(0.4) ? {} : { protocols: choose.some(1, 2, () => randomProtocol(choose)) }),
    }));
  return {
    metadata: { name: `cluster-${index}`, uid: `cluster-${index}`, generation: 1 },
    spec: {
      tier: choose.pick(["Admin", "Baseline"]),
      priority: choose.below(3),
      subject: randomSubject(choose),
      ingress: rules("from"),
      egress: rules("to"),
    },
  };
}

const randomSubject = (choose: Chooser) =>
  choose.maybe(0.5)
    ? { namespaces: randomSelector(choose) }
    : { pods: { namespaceSelector: randomSelector(choose), podSelector: randomSelector(choose) } };

function randomClusterPeer(choose: Chooser, side: "from" | "to"): ClusterPolicyPeer {
  const kind = choose.below(side === "from" ? 9 : 12);
  if (kind === 0) return {};
  if (kind <= 4) return { namespaces: randomSelector(choose) };
  if (kind <= 8) return { pods: { namespaceSelector: randomSelector(choose), podSelector: randomSelector(choose) } };
  if (kind <= 10) return { networks: choose.some(1, 2, () => randomBlock(choose, 9).cidr) };
  return { nodes: randomSelector(choose) };
}

function randomProtocol(choose: Chooser): ClusterPolicyProtocol {
  if (choose.maybe(0.05)) return {};
  if (choose.maybe(0.25)) return { destinationNamedPort: choose.pick(["web", "dns"]) };
  const destinationPort = choose.pick<DestinationPort>([{ number: 80 }, { number: 81 }, { range: { start: 81, end: 83 } }]);
  return { [choose.pick(["tcp", "udp", "sctp"])]: choose.maybe(0.2) ? {} : { destinationPort } };
}

function randomAdminPolicy(choose: Chooser, name: string): AdminNetworkPolicy {
  const port = (): AdminPolicyPort =>
    choose.pick<AdminPolicyPort>([
      { portNumber: { protocol: choose.pick(protocols), port: 80 } },
      { portRange: { protocol: choose.pick(protocols), start: 81, end: 82 } },
      { namedPort: choose.pick(["web", "dns"]) },
    ]);
  const rules = (side: "from" | "to") =>
    choose.some(0, 3, () => ({
      action: choose.pick(name === "banp" ? ["Allow", "Deny"] : ["Allow", "Deny", "Pass"]),
      [side]: choose.some(0, 2, () => randomClusterPeer(choose, side)),
      ...(choose.maybe(0.5) ? {} : { ports: choose.some(1, 2, port) }),
    }));
  return {
    metadata: { name, uid: name, generation: 1 },
    spec: { priority: choose.below(3), subject: randomSubject(choose), ingress: rules("from"), egress: rules("to") },
  };
}
