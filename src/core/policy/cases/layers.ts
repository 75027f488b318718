import type { AntreaPeer, AntreaPolicy, AntreaRule, AppliedTo } from "#core/api/antrea/policy.ts";
import type { AdminNetworkPolicy, AdminPolicyPort } from "#core/api/upstream/admin-network-policy.ts";
import type {
  ClusterNetworkPolicy,
  ClusterPolicyPeer,
  ClusterPolicyProtocol,
  NamespacedPods,
} from "#core/api/upstream/cluster-network-policy.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import { type Endpoint, endpointAt, isExternal, isInside, podAt, selects } from "./reading.ts";
import {
  blocksOf,
  childrenOf,
  groupOf,
  isIn,
  isInBlock,
  isInGroup,
  isInNamespaces,
  isInNodeGroup,
  isNode,
  namespaceOf,
  nestsTooDeep,
  runsAs,
  type LayeredWorld,
} from "./who.ts";

// Parts B, C and D of the sheet, read one after the other: every rule of every policy for every packet, nothing remembered.

/** One direction of one packet: whose policies, and who is at the other end. */
export interface Half {
  readonly subject: Endpoint;
  readonly direction: "Ingress" | "Egress";
  readonly other: IpAddress;
  readonly protocol: string;
  readonly port?: number;
  readonly sourcePort?: number;
  /** The Service (`namespace/name`) that the connection came to. */
  readonly through?: string;
  /** For named ports: whom the packet goes to. */
  readonly destination: Endpoint | undefined;
}

export type Action = "Allow" | "Drop" | "Reject" | "Pass";

interface ReadRule {
  readonly key: readonly [tier: number, priority: number, index: number];
  readonly uid: string;
  readonly action: Action;
  hits(): boolean;
}

/** The first rule that hits in the tiers before those of Kubernetes, or after them. */
export function firstHit(world: LayeredWorld, half: Half, layers: "before" | "after"): Action | undefined {
  const rules = [...antreaRules(world, half), ...clusterRules(world, half), ...adminRules(world, half)]
    .filter(({ key: [tier] }) => (layers === "before" ? tier < 253 : tier >= 253))
    .sort((one, other) => compareKeys(one, other));
  return rules.find((rule) => rule.hits())?.action;
}

const order: readonly Action[] = ["Drop", "Reject", "Allow", "Pass"];

/** B.2.1, and B.2.4 for ties. */
function compareKeys(one: ReadRule, other: ReadRule): number {
  for (const place of [0, 1, 2] as const) if (one.key[place] !== other.key[place]) return one.key[place] - other.key[place];
  return order.indexOf(one.action) - order.indexOf(other.action) || (one.uid < other.uid ? -1 : 1);
}

// B: policies of Antrea.

const staticTiers: Readonly<Record<string, number>> = {
  emergency: 50,
  securityops: 100,
  networkops: 150,
  platform: 200,
  application: 250,
  baseline: 253,
};

function antreaRules(world: LayeredWorld, half: Half): ReadRule[] {
  return (world.antreaPolicies ?? []).flatMap((policy) => {
    const { spec, metadata } = policy;
    const name = (spec?.tier || "application").toLowerCase();
    const tier = world.tiers?.find((each) => each.metadata.name === name)?.spec?.priority ?? staticTiers[name];
    if (spec === undefined || tier === undefined || isUnsupported(world, policy)) return [];
    const rules = (half.direction === "Ingress" ? spec.ingress : spec.egress) ?? [];
    return rules.map((rule, index): ReadRule => {
      // B.5.1: of the policy, or of the rule.
      const appliedTo = spec.appliedTo?.length ? spec.appliedTo : (rule.appliedTo ?? []);
      return {
        key: [tier, spec.priority, index],
        uid: metadata.uid ?? "",
        action: rule.action as Action,
        hits: () =>
          appliedTo.some((entry) => isSubject(world, policy, entry, half.subject)) && antreaRuleHits(world, policy, rule, half, appliedTo),
      };
    });
  });
}

/** B.5.5 */
function isUnsupported(world: LayeredWorld, { metadata, spec }: AntreaPolicy): boolean {
  if (metadata.namespace === undefined) return false;
  const entries = [
    ...(spec?.appliedTo ?? []),
    ...[...(spec?.ingress ?? []), ...(spec?.egress ?? [])].flatMap(({ appliedTo = [] }) => appliedTo),
  ];
  return entries.some(({ group }) => {
    const found = group === undefined ? undefined : groupOf(world, metadata.namespace, group);
    if (found === undefined || nestsTooDeep(world, found)) return false;
    return [found, ...childrenOf(world, found)].some((each) => each.spec?.namespaceSelector !== undefined);
  });
}

/** B.5.2, B.5.3 */
function isSubject(world: LayeredWorld, { metadata }: AntreaPolicy, entry: AppliedTo, subject: Endpoint): boolean {
  const { namespace } = metadata;
  const { group, serviceAccount, podSelector, namespaceSelector } = entry;
  const { externalEntitySelector } = entry;
  if (entry.service !== undefined || entry.nodeSelector !== undefined) return false;
  if (group !== undefined) return isInGroup(world, groupOf(world, namespace, group), subject);
  if (isExternal(subject))
    return externalEntitySelector !== undefined && isIn(subject, namespace) && selects(externalEntitySelector, subject.metadata.labels);
  if (externalEntitySelector !== undefined) return false;
  const pod = subject;
  if (serviceAccount !== undefined) return runsAs(pod, serviceAccount);
  if (namespace !== undefined) return pod.metadata.namespace === namespace && selects(podSelector ?? {}, pod.metadata.labels);
  if (podSelector === undefined && namespaceSelector === undefined) return false;
  return (
    selects(podSelector ?? {}, pod.metadata.labels) &&
    (namespaceSelector === undefined ? namespaceOf(world, pod) !== undefined : isInNamespaces(world, pod, namespaceSelector))
  );
}

function antreaRuleHits(world: LayeredWorld, policy: AntreaPolicy, rule: AntreaRule, half: Half, appliedTo: readonly AppliedTo[]): boolean {
  const peers = (half.direction === "Ingress" ? rule.from : rule.to) ?? [];
  // B.10: whatever endpoint it is.
  const { toServices = [] } = rule;
  if (toServices.length > 0)
    return (
      half.direction === "Egress" &&
      toServices.some(
        ({ namespace = policy.metadata.namespace, name, scope }) => scope !== "ClusterSet" && half.through === `${namespace}/${name}`,
      )
    );
  // B.6.1
  const listed = peers.length === 0 ? ["anybody" as const] : peers;
  return listed.some(
    (peer) =>
      (peer === "anybody" || isAntreaPeer(world, policy, peer, half, appliedTo)) &&
      antreaServicesFit(rule, half, peer === "anybody" ? undefined : peer, world, policy),
  );
}

function isAntreaPeer(
  world: LayeredWorld,
  { metadata }: AntreaPolicy,
  peer: AntreaPeer,
  half: Half,
  appliedTo: readonly AppliedTo[],
): boolean {
  const { namespace } = metadata;
  const { other } = half;
  if (peer.ipBlock !== undefined) return isInBlock(peer.ipBlock, other);
  if (peer.fqdn !== undefined) return false;
  if (peer.nodeSelector !== undefined) return isNode(world, peer.nodeSelector, other);
  if (peer.group !== undefined) {
    const group = groupOf(world, namespace, peer.group);
    const endpoint = endpointAt(world, other);
    return (
      blocksOf(world, group).some((block) => isInBlock(block, other)) ||
      isInNodeGroup(world, group, other) ||
      (endpoint !== undefined && isInGroup(world, group, endpoint))
    );
  }
  const endpoint = endpointAt(world, other);
  if (endpoint === undefined) return false;
  if (isExternal(endpoint))
    return (
      peer.externalEntitySelector !== undefined &&
      selects(peer.externalEntitySelector, endpoint.metadata.labels) &&
      (peer.namespaceSelector === undefined ? isIn(endpoint, namespace) : isInNamespaces(world, endpoint, peer.namespaceSelector))
    );
  if (peer.externalEntitySelector !== undefined) return false;
  const pod = endpoint;
  if (peer.serviceAccount !== undefined) return runsAs(pod, peer.serviceAccount);
  if (peer.podSelector !== undefined && !selects(peer.podSelector, pod.metadata.labels)) return false;
  if (peer.namespaces !== undefined) {
    const home = isExternal(half.subject) ? undefined : namespaceOf(world, half.subject);
    // B.7: by what selects the subject, but only where its namespace is known.
    if (home === undefined || appliedTo.length === 0) return false;
    if (peer.namespaces.match === "Self") return pod.metadata.namespace === half.subject.metadata.namespace;
    const keys = peer.namespaces.sameLabels ?? [];
    const there = namespaceOf(world, pod);
    return there !== undefined && keys.length > 0 && keys.every((key) => home[key] !== undefined && home[key] === there[key]);
  }
  // B.6.3
  if (peer.namespaceSelector !== undefined) return isInNamespaces(world, pod, peer.namespaceSelector);
  if (peer.podSelector === undefined) return false;
  return namespace === undefined ? namespaceOf(world, pod) !== undefined : pod.metadata.namespace === namespace;
}

/** B.9 */
function antreaServicesFit(
  { ports = [], protocols = [] }: AntreaRule,
  half: Half,
  peer: AntreaPeer | undefined,
  world: LayeredWorld,
  policy: AntreaPolicy,
): boolean {
  if (ports.length === 0 && protocols.length === 0) return true;
  return (
    protocols.some(({ icmp }) => icmp !== undefined && half.protocol === "ICMP" && isEchoRequest(icmp, half.other)) ||
    ports.some((entry) => {
      if ((entry.protocol ?? "TCP") !== half.protocol || half.port === undefined) return false;
      const from = half.sourcePort ?? anySourcePort;
      if (entry.sourcePort !== undefined && (from < entry.sourcePort || from > (entry.sourceEndPort ?? entry.sourcePort))) return false;
      if (entry.port === undefined) return true;
      if (typeof entry.port === "number") return half.port >= entry.port && half.port <= (entry.endPort ?? entry.port);
      return namedPortFits(world, half, entry.port, half.protocol, isSelected(world, policy, peer, half));
    })
  );
}

const anySourcePort = 40_000;

/** ICMP is asked by echo requests. */
const isEchoRequest = (
  { icmpType, icmpCode }: { readonly icmpType?: number; readonly icmpCode?: number },
  { family }: IpAddress,
): boolean => (icmpType === undefined || icmpType === (family === 4 ? 8 : 128)) && (icmpCode === undefined || icmpCode === 0);

/** A.4.5: a block has no names; where no peers are listed, pods have them. */
function isSelected(world: LayeredWorld, { metadata }: AntreaPolicy, peer: AntreaPeer | undefined, half: Half): boolean {
  const endpoint = endpointAt(world, half.other);
  if (peer === undefined) return endpoint !== undefined && !isExternal(endpoint);
  if (peer.ipBlock !== undefined) return false;
  if (peer.group === undefined) return true;
  return endpoint !== undefined && isInGroup(world, groupOf(world, metadata.namespace, peer.group), endpoint);
}

/** A.4.5: by the subject's ports for ingress; by those of the peer for egress, where it was selected as a pod. */
function namedPortFits(world: LayeredWorld, half: Half, name: string, protocol: string, selected: boolean): boolean {
  if (half.direction === "Egress" && (!selected || half.destination === undefined || namespaceOf(world, half.destination) === undefined))
    return false;
  const owner = half.direction === "Ingress" ? half.subject : half.destination;
  if (owner === undefined) return false;
  if (isExternal(owner))
    return (owner.spec?.ports ?? []).some((port) => port.name === name && (port.protocol ?? "TCP") === protocol && port.port === half.port);
  return owner.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .some((port) => port.name === name && (port.protocol ?? "TCP") === protocol && port.containerPort === half.port);
}

// C: policies of policy.networking.k8s.io.

function clusterRules(world: LayeredWorld, half: Half): ReadRule[] {
  return (world.clusterNetworkPolicies ?? []).flatMap(({ metadata, spec = {} }) => {
    const isBaseline = spec.tier === "Baseline";
    const rules = (half.direction === "Ingress" ? spec.ingress : spec.egress) ?? [];
    return rules.map((rule, index) => {
      const peers = (half.direction === "Ingress" ? rule.from : rule.to) ?? [];
      const action = rule.action === "Accept" ? "Allow" : rule.action === "Pass" ? "Pass" : "Drop";
      return upstreamRule(world, half, {
        key: [isBaseline ? 254 : 220, spec.priority ?? 0, index],
        uid: metadata.uid ?? "",
        action,
        peers,
        isOfSubject: isClusterSubject(world, spec.subject, half.subject),
        isUnknown: (rule.protocols ?? []).some((protocol) => !isKnownProtocol(protocol)),
        fits: (named) =>
          rule.protocols === undefined ||
          rule.protocols.length === 0 ||
          rule.protocols.some((protocol) => protocolFits(world, half, protocol, named)),
      });
    });
  });
}

function adminRules(world: LayeredWorld, half: Half): ReadRule[] {
  const read = ({ metadata, spec = {} }: AdminNetworkPolicy, tier: number, priority: number): ReadRule[] =>
    ((half.direction === "Ingress" ? spec.ingress : spec.egress) ?? []).flatMap((rule, index) => {
      const peers = (half.direction === "Ingress" ? rule.from : rule.to) ?? [];
      if (peers.length === 0) return [];
      const ports = rule.ports ?? [];
      return upstreamRule(world, half, {
        key: [tier, priority, index],
        uid: metadata.uid ?? "",
        action: rule.action === "Allow" ? "Allow" : rule.action === "Pass" ? "Pass" : "Drop",
        peers,
        isOfSubject: isClusterSubject(world, spec.subject, half.subject),
        isUnknown: ports.some(({ portNumber, portRange, namedPort }) => (portNumber ?? portRange ?? namedPort) === undefined),
        fits: (named) => ports.length === 0 || ports.some((port) => adminPortFits(world, half, port, named)),
      });
    });
  return [
    ...(world.adminNetworkPolicies ?? []).flatMap((policy) => read(policy, 251, policy.spec?.priority ?? 0)),
    ...(world.baselineAdminNetworkPolicies ?? []).flatMap((policy) => read(policy, 254, 1_001)),
  ];
}

interface UpstreamReading {
  readonly key: ReadRule["key"];
  readonly uid: string;
  readonly action: Action;
  readonly peers: readonly ClusterPolicyPeer[];
  readonly isOfSubject: boolean;
  readonly isUnknown: boolean;
  /** Whether the packet's protocol and port fit; `named` where the peer was selected as a pod. */
  fits(named: boolean): boolean;
}

/** C.1.5: what is not known lets nothing through, and denies everything. */
function upstreamRule(world: LayeredWorld, half: Half, reading: UpstreamReading): ReadRule {
  const { key, uid, peers } = reading;
  const isUnknown = reading.isUnknown || peers.some((peer) => !isKnownPeer(peer));
  // DEV-7: the baseline's Pass ends in the default, which is to let through.
  const given = reading.action === "Pass" && key[0] === 254 ? "Allow" : reading.action;
  const action = isUnknown && given !== "Allow" ? "Drop" : given;
  const hits = (): boolean => {
    if (!reading.isOfSubject) return false;
    if (isUnknown) return given !== "Allow";
    return peers.some(
      (peer) => isClusterPeer(world, peer, half.other) && reading.fits(peer.networks === undefined && peer.nodes === undefined),
    );
  };
  return { key, uid, action, hits };
}

const isKnownPeer = ({ namespaces, pods, networks, nodes, domainNames }: ClusterPolicyPeer): boolean =>
  [namespaces, pods, networks, nodes, domainNames].some((member) => member !== undefined);

const isKnownProtocol = ({ tcp, udp, sctp, destinationNamedPort }: ClusterPolicyProtocol): boolean =>
  [tcp, udp, sctp, destinationNamedPort].some((member) => member !== undefined);

function isClusterSubject(world: LayeredWorld, subject: NonNullable<ClusterNetworkPolicy["spec"]>["subject"], pod: Endpoint): boolean {
  if (isExternal(pod)) return false;
  if (subject?.namespaces !== undefined) return isInNamespaces(world, pod, subject.namespaces);
  return subject?.pods !== undefined && isPod(world, pod, subject.pods);
}

function isClusterPeer(world: LayeredWorld, { namespaces, pods, networks, nodes }: ClusterPolicyPeer, address: IpAddress): boolean {
  if (networks !== undefined) return networks.some((cidr) => isInside(cidr, address));
  if (nodes !== undefined) return isNode(world, nodes, address);
  const pod = podAt(world, address);
  if (pod === undefined) return false;
  if (namespaces !== undefined) return isInNamespaces(world, pod, namespaces);
  return pods !== undefined && isPod(world, pod, pods);
}

function protocolFits(
  world: LayeredWorld,
  half: Half,
  { tcp, udp, sctp, destinationNamedPort }: ClusterPolicyProtocol,
  named: boolean,
): boolean {
  if (destinationNamedPort !== undefined)
    return half.port !== undefined && namedPortFits(world, half, destinationNamedPort, half.protocol, named);
  const entry = half.protocol === "TCP" ? tcp : half.protocol === "UDP" ? udp : half.protocol === "SCTP" ? sctp : undefined;
  if (entry === undefined || half.port === undefined) return false;
  const { number, range } = entry.destinationPort ?? {};
  if (range !== undefined) return half.port >= range.start && half.port <= range.end;
  return number === undefined || number === half.port;
}

function adminPortFits(world: LayeredWorld, half: Half, { portNumber, portRange, namedPort }: AdminPolicyPort, named: boolean): boolean {
  if (half.port === undefined) return false;
  if (portNumber !== undefined) return (portNumber.protocol ?? "TCP") === half.protocol && portNumber.port === half.port;
  if (portRange !== undefined)
    return (portRange.protocol ?? "TCP") === half.protocol && half.port >= portRange.start && half.port <= portRange.end;
  return namedPort !== undefined && namedPortFits(world, half, namedPort, half.protocol, named);
}

const isPod = (world: LayeredWorld, pod: Pod, { namespaceSelector, podSelector }: NamespacedPods): boolean =>
  isInNamespaces(world, pod, namespaceSelector) && selects(podSelector, pod.metadata.labels);
