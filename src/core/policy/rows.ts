import type { GroupMember, NamedPort, Protocol } from "#core/api/controlplane/index.ts";
import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import { keyOf, type Namespace, type Pod } from "#lib/kube/index.ts";

/** What the engine looks at in a Namespace. */
export interface NamespaceRow {
  readonly name: string;
  readonly labels: Labels;
  /** Audit logs for the Kubernetes policies of this namespace. */
  readonly logging: boolean;
}

/** What the engine looks at in a Pod. */
export interface PodRow {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Absent until scheduled: nothing to program yet. */
  readonly nodeName?: string;
  /** False for host-network and finished pods: neither subject nor peer. */
  readonly eligible: boolean;
  readonly ips: readonly IpAddress[];
  readonly ports: readonly NamedPort[];
}

const loggingAnnotation = "networkpolicy.antrea.io/enable-logging";
const nameLabel = "kubernetes.io/metadata.name";

export function namespaceRow({ metadata }: Namespace): NamespaceRow {
  const name = metadata.name ?? "";
  return {
    name,
    labels: { ...metadata.labels, [nameLabel]: name },
    // The spellings of Go's strconv.ParseBool; any other means off.
    logging: /^(1|t|T|true|True|TRUE)$/.test(metadata.annotations?.[loggingAnnotation] ?? ""),
  };
}

export function podRow(pod: Pod): PodRow {
  const { metadata, spec, status } = pod;
  const finished = status?.phase === "Succeeded" || status?.phase === "Failed";
  return {
    key: keyOf(pod),
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    labels: metadata.labels ?? {},
    ...(spec.nodeName ? { nodeName: spec.nodeName } : {}),
    eligible: spec.hostNetwork !== true && !finished,
    ips: (status?.podIPs ?? []).map(({ ip }) => tryParseAddress(ip)).filter((address) => address !== undefined),
    ports: spec.containers.flatMap(({ ports = [] }) =>
      ports
        .filter(({ name }) => name)
        .map(({ name = "", containerPort, protocol }) => ({ name, port: containerPort, protocol: (protocol ?? "TCP") as Protocol })),
    ),
  };
}

/** The pod as a peer; undefined while it has no address or must not be one. */
export function peerMember(pod: PodRow): GroupMember | undefined {
  if (!pod.eligible || pod.nodeName === undefined || pod.ips.length === 0) return undefined;
  return { pod: { namespace: pod.namespace, name: pod.name }, ips: pod.ips, ports: pod.ports };
}

/** The pod as a subject: from the moment it has a node, so that its isolation precedes its first packet. */
export function subjectMember(pod: PodRow): GroupMember | undefined {
  if (!pod.eligible || pod.nodeName === undefined) return undefined;
  return { pod: { namespace: pod.namespace, name: pod.name }, ips: [], ports: pod.ports };
}
