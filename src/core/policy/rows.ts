import { type GroupMember, memberKey, type NamedPort, type NamespacedName, type Protocol } from "#core/api/controlplane/index.ts";
import { enforcerOf, type ExternalEntity } from "#core/api/antrea/external-entity.ts";
import { type IpAddress, tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import type { Namespace, Node, Pod } from "#lib/kube/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import type { SubjectKind } from "./labels.ts";

/** What the engine looks at in a Namespace. */
export interface NamespaceRow {
  readonly name: string;
  readonly labels: Labels;
  /** Audit logs for the Kubernetes policies of this namespace. */
  readonly logging: boolean;
  /** What policies of this namespace deny is rejected: the client is told. Absent: it is dropped. */
  readonly refusing?: true;
}

/** What the engine looks at in a Pod, an ExternalEntity or a Node. */
export interface EntityRow {
  readonly kind: SubjectKind;
  /** `namespace/name`, or the name of a Node. */
  readonly key: string;
  /** Empty for Nodes. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Where its policies are enforced; absent until that is known: nothing to program yet. */
  readonly nodeName: string | undefined;
  /** Whether policies may apply to it. */
  readonly isSubject: boolean;
  /** The entity as a peer; undefined while it has no address or must not be one. */
  peer(): GroupMember | undefined;
  /** The entity as a subject, without addresses; undefined when it must not be one. */
  subject(): GroupMember | undefined;
}

const loggingAnnotation = "networkpolicy.antrea.io/enable-logging";
const refusingAnnotation = "networkpolicy.antrea.io/reject-denied";
/** The spellings of Go's strconv.ParseBool; any other means off. */
const isTrue = (text: string | undefined): boolean => text !== undefined && /^(1|t|T|true|True|TRUE)$/.test(text);
const nameLabel = "kubernetes.io/metadata.name";
/** Stands among the labels of a pod for its ServiceAccount. No key of a label has such a character. */
export const serviceAccountLabel = ":serviceAccount";

export function namespaceRow({ metadata }: Namespace): NamespaceRow {
  const { name = "", labels, annotations } = metadata;
  return {
    name,
    labels: labels?.[nameLabel] === name ? labels : { ...labels, [nameLabel]: name },
    logging: isTrue(annotations?.[loggingAnnotation]),
    ...(isTrue(annotations?.[refusingAnnotation]) && { refusing: true as const }),
  };
}

const noLabels: Labels = Object.freeze({});
const noAddresses: readonly IpAddress[] = Object.freeze([]);
const noPorts: readonly NamedPort[] = Object.freeze([]);

/**
 * A pod as the engine sees it: read off the object, which must not change, whenever somebody asks. The object is there anyway; what is made of it would be most
 * of the memory.
 */
export function podRow(pod: Pod): EntityRow {
  return new PodRow(pod);
}

class PodRow implements EntityRow {
  private readonly pod: Pod;

  constructor(pod: Pod) {
    this.pod = pod;
  }

  get kind(): "Pod" {
    return "Pod";
  }

  get key(): string {
    return `${this.namespace}/${this.name}`;
  }

  get namespace(): string {
    return this.pod.metadata.namespace ?? "";
  }

  get name(): string {
    return this.pod.metadata.name ?? "";
  }

  get labels(): Labels {
    const { labels = noLabels } = this.pod.metadata;
    const { serviceAccountName } = this.pod.spec;
    return serviceAccountName ? { ...labels, [serviceAccountLabel]: serviceAccountName } : labels;
  }

  get nodeName(): string | undefined {
    return this.pod.spec.nodeName || undefined;
  }

  /** Neither pods on the host's network nor finished ones: the one has the node's address, the other's may be given to another pod. */
  get isSubject(): boolean {
    const { spec, status } = this.pod;
    return spec.hostNetwork !== true && !isFinished(status?.phase) && this.nodeName !== undefined;
  }

  peer(): GroupMember | undefined {
    const ips = this.isSubject ? addressesOf(this.pod) : noAddresses;
    return ips.length === 0 ? undefined : { pod: this.reference, ips, ports: portsOf(this.pod) };
  }

  /** From the moment it has a node, so that its isolation precedes its first packet. */
  subject(): GroupMember | undefined {
    return this.isSubject ? { pod: this.reference, ips: noAddresses, ports: portsOf(this.pod) } : undefined;
  }

  private get reference(): NamespacedName {
    return { namespace: this.namespace, name: this.name };
  }
}

const isFinished = (phase: string | undefined): boolean => phase === "Succeeded" || phase === "Failed";

function addressesOf({ status }: Pod): readonly IpAddress[] {
  const podIPs = status?.podIPs;
  return podIPs === undefined || podIPs.length === 0 ? noAddresses : parsed(podIPs);
}

function parsed(texts: readonly { readonly ip: string }[]): readonly IpAddress[] {
  return texts.map(({ ip }) => tryParseAddress(ip)).filter((address) => address !== undefined);
}

/** The named ports of a pod, as members of groups carry them. */
export function portsOf({ spec }: Pod): readonly NamedPort[] {
  if (!spec.containers.some(({ ports }) => ports !== undefined && ports.length > 0)) return noPorts;
  return spec.containers.flatMap(({ ports = [] }) =>
    ports
      .filter(({ name }) => name)
      .map(({ name = "", containerPort, protocol }) => ({ name, port: containerPort, protocol: (protocol ?? "TCP") as Protocol })),
  );
}

/** Whether two rows of one entity make the same member everywhere. */
export function sameMember(one: EntityRow, other: EntityRow): boolean {
  return one.nodeName === other.nodeName && sameContent(one.peer(), other.peer()) && sameContent(one.subject(), other.subject());
}

export function sameContent(one: GroupMember | undefined, other: GroupMember | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && memberKey(one) === memberKey(other));
}

/** A Node as the engine sees it: with every address that its own stack may use. */
export function nodeRow(node: Node): EntityRow {
  const name = node.metadata.name ?? "";
  const { podCIDR, podCIDRs = podCIDR ? [podCIDR] : [] } = node.spec ?? {};
  const reported = (node.status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP" || type === "ExternalIP")
    .map(({ address }) => address);
  const transport = (node.metadata.annotations?.[transportAnnotation] ?? "").split(",").map((text) => text.trim());
  const addresses = [...reported, ...transport].map(tryParseAddress).filter((address) => address !== undefined);
  const gateways = podCIDRs.map(tryParsePrefix).map((prefix) => prefix?.address.plus(1n));
  const ips = distinct([...addresses, ...gateways.filter((gateway) => gateway !== undefined)]);
  const subject: GroupMember = { node: name, ips: noAddresses, ports: noPorts };
  const peer: GroupMember | undefined = ips.length === 0 ? undefined : { node: name, ips, ports: noPorts };
  return {
    kind: "Node",
    key: name,
    namespace: "",
    name,
    labels: node.metadata.labels ?? noLabels,
    nodeName: name,
    isSubject: true,
    peer: () => peer,
    subject: () => subject,
  };
}

const transportAnnotation = "node.antrea.io/transport-addresses";

function distinct(addresses: readonly IpAddress[]): readonly IpAddress[] {
  return [...new Map(addresses.map((address) => [address.toString(), address])).values()];
}

/** An ExternalEntity as the engine sees it, read off the object as a pod is. */
export function externalEntityRow(entity: ExternalEntity): EntityRow {
  return new ExternalEntityRow(entity);
}

class ExternalEntityRow implements EntityRow {
  private readonly entity: ExternalEntity;

  constructor(entity: ExternalEntity) {
    this.entity = entity;
  }

  get kind(): "ExternalEntity" {
    return "ExternalEntity";
  }

  get key(): string {
    return `${this.namespace}/${this.name}`;
  }

  get namespace(): string {
    return this.entity.metadata.namespace ?? "";
  }

  get name(): string {
    return this.entity.metadata.name ?? "";
  }

  get labels(): Labels {
    return this.entity.metadata.labels ?? noLabels;
  }

  get nodeName(): string | undefined {
    return enforcerOf(this.entity);
  }

  get isSubject(): boolean {
    return Boolean(this.entity.spec?.externalNode);
  }

  peer(): GroupMember | undefined {
    const { endpoints = [] } = this.entity.spec ?? {};
    const ips = parsed(endpoints);
    return ips.length === 0 ? undefined : { externalEntity: this.reference, ips, ports: this.ports };
  }

  subject(): GroupMember | undefined {
    return this.isSubject ? { externalEntity: this.reference, ips: noAddresses, ports: this.ports } : undefined;
  }

  private get ports(): readonly NamedPort[] {
    const { ports } = this.entity.spec ?? {};
    if (ports === undefined) return noPorts;
    return ports.flatMap(({ name, port, protocol = "TCP" }) =>
      name && typeof port === "number" ? [{ name, port, protocol: protocol as Protocol }] : [],
    );
  }

  private get reference(): NamespacedName {
    return { namespace: this.namespace, name: this.name };
  }
}
