import type { ExternalEntity } from "#core/api/antrea/external-entity.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod, Service } from "#lib/kube/index.ts";
import { type Action, firstHit } from "./layers.ts";
import { nameLabel } from "./notation.ts";
import { type Endpoint, endpointAt, enforcerName, isExternal, isInside, podAt, selects, takesPart } from "./reading.ts";
import type { OtherObjects } from "./who.ts";

// The rules of part A of docs/…/policy semantics, read one after the other: slow, nothing remembered, nothing shared with the engine, the
// compiler or even the selectors and prefixes of lib. What is right here is what the text says; numbers in comments are the text's.

/** A cluster as its objects say. */
export interface World extends OtherObjects {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
  readonly services?: readonly Service[];
}

/** Who sends the first packet of a connection: a pod, an ExternalEntity, the own stack of a node (with the pods on its network), or somebody outside. */
export type Sender = { readonly pod: Pod } | { readonly entity: ExternalEntity } | { readonly node: string } | { readonly outside: true };

/** The first packet of a connection, as it leaves its sender. */
export interface FirstPacket {
  readonly from: Sender;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** `TCP`, `UDP`, `SCTP`, or any other protocol of IP. */
  readonly protocol: string;
  /** The destination port, of protocols that have ports. */
  readonly port?: number;
  /** Any high one when it is not given. */
  readonly sourcePort?: number;
  /** The Service (`namespace/name`) through which it comes to its destination. */
  readonly through?: string;
}

/** Why a packet goes or ends, for people. */
export interface Judgement {
  readonly allowed: boolean;
  /** Its sender gets an answer. */
  readonly rejected?: boolean;
  readonly reason: string;
}

/**
 * What may become of a first packet: one judgement, or for the address of a Service one for each endpoint that may be picked (A.8.5: a pick is not taken
 * back). `"refused"`: nobody serves (A.8.2).
 */
export function judgeAll(world: World, packet: FirstPacket): readonly Judgement[] | "refused" {
  const service = world.services?.find(({ spec }) => spec?.clusterIPs?.some((text) => parseAddress(text).equals(packet.destination)));
  if (service === undefined || !("pod" in packet.from)) return [judge(world, packet)];
  const sender = packet.from.pod;
  const port = service.spec?.ports?.find((each) => each.port === packet.port && (each.protocol ?? "TCP") === packet.protocol);
  if (port === undefined) return [{ allowed: false, reason: "the Service has no such port" }];
  const endpoints = world.pods.flatMap((pod) => {
    const isOne =
      takesPart(pod) &&
      pod.metadata.namespace === service.metadata.namespace &&
      selects({ matchLabels: service.spec?.selector ?? {} }, pod.metadata.labels);
    if (!isOne) return [];
    const address = (pod.status?.podIPs ?? []).map(({ ip }) => parseAddress(ip)).find(({ family }) => family === packet.destination.family);
    const number =
      typeof port.targetPort === "string" ? declaredNumber(pod, port.targetPort, packet.protocol) : (port.targetPort ?? port.port);
    return address === undefined || number === undefined ? [] : [{ pod, address, port: Number(number) }];
  });
  if (endpoints.length === 0) return "refused";
  // A.8.1: what is judged has the endpoint's address and port already.
  return endpoints.map(({ pod, address, port: number }) => {
    const through = `${service.metadata.namespace}/${service.metadata.name}`;
    const translated = { ...packet, destination: address, port: number, through };
    // A.7.2: a pod to itself is under egress policy alone.
    return pod === sender ? judgeHalf(world, translated, { subject: sender, direction: "Egress" }) : judge(world, translated);
  });
}

const declaredNumber = ({ spec }: Pod, name: string, protocol: string): number | undefined =>
  spec.containers.flatMap(({ ports = [] }) => ports).find((port) => port.name === name && (port.protocol ?? "TCP") === protocol)
    ?.containerPort;

/** Whether Kubernetes NetworkPolicies let a new connection begin. */
export function judge(world: World, packet: FirstPacket): Judgement {
  const { from } = packet;
  const sender = "pod" in from && !from.pod.spec.hostNetwork ? from.pod : "entity" in from ? from.entity : undefined;
  const receiver = endpointAt(world, packet.destination);
  // A.7.1: it never leaves the pod.
  if (sender !== undefined && packet.source.equals(packet.destination)) return { allowed: true, reason: "a pod to itself" };
  // A.1.4: each half by itself, and both must permit.
  if (sender !== undefined) {
    const egress = judgeHalf(world, packet, { subject: sender, direction: "Egress" });
    if (!egress.allowed) return egress;
  }
  if (receiver === undefined) return { allowed: true, reason: "nobody that policies know receives it" };
  if (isExternal(receiver)) return judgeHalf(world, packet, { subject: receiver, direction: "Ingress" });
  // A.7.3: a node's own stack, and with it the pods on its network, reaches the pods of that node.
  if (nodeOf(packet.from) === receiver.spec.nodeName) return { allowed: true, reason: "a node to a pod it hosts" };
  return judgeHalf(world, packet, { subject: receiver, direction: "Ingress" });
}

/** The node whose own stack sends; undefined for pods with a network of their own and for the outside. */
function nodeOf(sender: Sender): string | undefined {
  if ("node" in sender) return sender.node;
  return "pod" in sender && sender.pod.spec.hostNetwork ? sender.pod.spec.nodeName : undefined;
}

const decided = (action: Action, reason: string): Judgement => ({
  allowed: action === "Allow" || action === "Pass",
  ...(action === "Reject" && { rejected: true }),
  reason,
});

/** One side of a connection: whose policies, and in which direction. */
export interface Half {
  readonly subject: Endpoint;
  readonly direction: "Ingress" | "Egress";
}

/** Whether the policies of one side let a new connection begin. */
export function judgeHalf(world: World, packet: FirstPacket, half: Half): Judgement {
  const { subject, direction } = half;
  const name = `${direction} of ${subject.metadata.namespace}/${subject.metadata.name}`;
  if (isExternal(subject) ? enforcerName(subject) === undefined : !takesPart(subject))
    return { allowed: true, reason: `${name}: no subject` };
  const view = {
    subject,
    direction,
    other: direction === "Ingress" ? packet.source : packet.destination,
    protocol: packet.protocol,
    ...(packet.port !== undefined && { port: packet.port }),
    ...(packet.sourcePort !== undefined && { sourcePort: packet.sourcePort }),
    ...(packet.through !== undefined && { through: packet.through }),
    destination: endpointAt(world, packet.destination),
  };
  // D.1, L1 to L4: the first that hits decides, or passes on to the policies of Kubernetes.
  const before = firstHit(world, view, "before");
  if (before !== undefined && before !== "Pass") return decided(before, `${name}: ${before} of a tier`);
  // A.1.1: policies of its own namespace that select it and are about the direction.
  const isolating = world.policies.filter(
    ({ metadata, spec }) =>
      !isExternal(subject) &&
      metadata.namespace === subject.metadata.namespace &&
      selects(spec?.podSelector ?? {}, subject.metadata.labels) &&
      directionsOf(spec).includes(direction),
  );
  // A.1.2
  if (isolating.length === 0) {
    // L6 to L8
    const after = firstHit(world, view, "after");
    if (after !== undefined) return decided(after, `${name}: ${after} of a tier behind`);
    return { allowed: true, reason: `${name}: not isolated` };
  }
  // A.1.3: the union of all their rules.
  for (const policy of isolating) {
    const rules =
      direction === "Ingress"
        ? (policy.spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
        : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
    for (const [index, rule] of rules.entries())
      if (permits(world, packet, { ...half, policy, ...rule }))
        return { allowed: true, reason: `${name}: rule ${index} of ${policy.metadata.name}` };
  }
  // A.1.7: of every protocol.
  return { allowed: false, reason: `${name}: isolated by ${isolating.map(({ metadata }) => metadata.name).join(", ")}` };
}

/** A.2: as given, otherwise ingress, and egress when there is a rule for it. */
function directionsOf(spec: NetworkPolicy["spec"]): readonly string[] {
  if (spec?.policyTypes !== undefined && spec.policyTypes.length > 0) return spec.policyTypes;
  return (spec?.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

interface Rule extends Half {
  readonly policy: NetworkPolicy;
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

/** A.3.2: peers and ports must both match; the lists' entries are alternatives, so that it is enough to find one of each that go together. */
function permits(world: World, packet: FirstPacket, rule: Rule): boolean {
  const peers = rule.peers === undefined || rule.peers.length === 0 ? ["anybody" as const] : rule.peers;
  const ports = rule.ports === undefined || rule.ports.length === 0 ? ["any" as const] : rule.ports;
  return peers.some((peer) => ports.some((port) => isPeer(world, packet, rule, peer) && isPort(world, packet, rule, peer, port)));
}

function isPeer(world: World, packet: FirstPacket, { policy, direction }: Rule, peer: NetworkPolicyPeer | "anybody"): boolean {
  if (peer === "anybody") return true;
  const address = direction === "Ingress" ? packet.source : packet.destination;
  const { podSelector, namespaceSelector, ipBlock } = peer;
  // A.5.1, A.5.2, A.5.4: the packet's address, whoever has it.
  if (ipBlock) return isInside(ipBlock.cidr, address) && !(ipBlock.except ?? []).some((block) => isInside(block, address));
  if (!podSelector && !namespaceSelector) return false;
  const pod = podAt(world, address);
  if (pod === undefined) return false;
  if (podSelector && !selects(podSelector, pod.metadata.labels)) return false;
  // A.3.6: without a namespaceSelector, the policy's own namespace.
  if (!namespaceSelector) return pod.metadata.namespace === policy.metadata.namespace;
  const namespace = world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace);
  // A.3.5
  return (
    namespace !== undefined && selects(namespaceSelector, { ...namespace.metadata.labels, [nameLabel]: namespace.metadata.name ?? "" })
  );
}

function isPort(
  world: World,
  packet: FirstPacket,
  { direction, subject }: Rule,
  peer: NetworkPolicyPeer | "anybody",
  entry: NetworkPolicyPort | "any",
): boolean {
  if (entry === "any") return true;
  // A.4.1
  if ((entry.protocol ?? "TCP") !== packet.protocol || packet.port === undefined) return false;
  // A.4.2
  if (entry.port === undefined) return true;
  // A.4.3
  if (typeof entry.port === "number") return packet.port >= entry.port && packet.port <= (entry.endPort ?? entry.port);
  // A.4.5: the number that the destination declares; a block has no names.
  if (direction === "Ingress") return !isExternal(subject) && declares(subject, entry.port, packet);
  if (peer !== "anybody" && peer.ipBlock) return false;
  const pod = podAt(world, packet.destination);
  return pod !== undefined && declares(pod, entry.port, packet);
}

const declares = ({ spec }: Pod, name: string, packet: FirstPacket): boolean =>
  spec.containers.some(({ ports = [] }) =>
    ports.some((port) => port.name === name && (port.protocol ?? "TCP") === packet.protocol && port.containerPort === packet.port),
  );
