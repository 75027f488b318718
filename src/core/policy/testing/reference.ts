import { tryParsePrefix, parseAddress } from "#lib/ip/index.ts";
import {
  type Namespace,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type Pod,
  selectorMatches,
} from "#lib/kube/index.ts";

/** A cluster as its objects say. */
export interface Cluster {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

/** One end of a connection: a pod, or an address outside. */
export type End = { readonly pod: Pod } | { readonly address: string };

export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly protocol: string;
  readonly port: number;
  /** Which family is used between pods. */
  readonly family: 4 | 6;
}

/** Whether Kubernetes policies let a new connection pass: straight from the text of the API, one object after the other, nothing remembered. */
export function isAllowed(cluster: Cluster, connection: Connection): boolean {
  return half(cluster, connection, "Egress") && half(cluster, connection, "Ingress");
}

/** A pod that policies apply to and that selectors find: it has a node and is neither finished nor on the host's network. */
export function isPoliced({ spec, status }: Pod): boolean {
  return Boolean(spec.nodeName) && spec.hostNetwork !== true && status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

export function addressOf(end: End, family: 4 | 6): string | undefined {
  const addresses = "address" in end ? [end.address] : (end.pod.status?.podIPs ?? []).map(({ ip }) => ip);
  return addresses.find((address) => parseAddress(address).family === family);
}

function half(cluster: Cluster, connection: Connection, type: "Ingress" | "Egress"): boolean {
  const [subject, peer] = type === "Ingress" ? [connection.to, connection.from] : [connection.from, connection.to];
  if (!("pod" in subject) || !isPoliced(subject.pod)) return true;
  const isolating = cluster.policies.filter(
    (policy) =>
      policy.metadata.namespace === subject.pod.metadata.namespace &&
      typesOf(policy).includes(type) &&
      selectorMatches(policy.spec?.podSelector ?? {}, subject.pod.metadata.labels),
  );
  if (isolating.length === 0) return true;
  return isolating.some((policy) =>
    (type === "Ingress"
      ? (policy.spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
      : (policy.spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }))
    ).some((rule) => portMatches(rule.ports, connection) && peerMatches(cluster, policy, rule.peers, peer, connection, rule.ports)),
  );
}

function typesOf({ spec }: NetworkPolicy): readonly string[] {
  if (spec?.policyTypes?.length) return spec.policyTypes;
  return spec?.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
}

function portMatches(ports: readonly NetworkPolicyPort[] | undefined, { protocol, port, to }: Connection): boolean {
  if (!ports?.length) return true;
  return ports.some((entry) => {
    if ((entry.protocol ?? "TCP") !== protocol) return false;
    if (entry.port === undefined) return true;
    if (typeof entry.port === "number") return port >= entry.port && port <= (entry.endPort ?? entry.port);
    return namedPorts(to, entry.port, protocol).includes(port);
  });
}

function namedPorts(end: End, name: string, protocol: string): number[] {
  if (!("pod" in end)) return [];
  return end.pod.spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter((port) => port.name === name && (port.protocol ?? "TCP") === protocol)
    .map(({ containerPort }) => containerPort);
}

function peerMatches(
  cluster: Cluster,
  policy: NetworkPolicy,
  peers: readonly NetworkPolicyPeer[] | undefined,
  end: End,
  connection: Connection,
  ports: readonly NetworkPolicyPort[] | undefined,
): boolean {
  const outgoing = end === connection.to;
  // A named port has a number only in a pod that a selector found: never through a block.
  const onlyByName =
    outgoing &&
    Boolean(ports?.length) &&
    !(ports ?? []).some((entry) => typeof entry.port !== "string" && portMatches([entry], connection));
  if (!peers?.length) return onlyByName ? "pod" in end && isPoliced(end.pod) && namespaceExists(cluster, end.pod) : true;
  return peers.some(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock) {
      if (onlyByName) return false;
      const address = addressOf(end, connection.family);
      const inside = (cidr: string): boolean => address !== undefined && tryParsePrefix(cidr)?.contains(parseAddress(address)) === true;
      return inside(ipBlock.cidr) && !(ipBlock.except ?? []).some(inside);
    }
    if (!("pod" in end) || !isPoliced(end.pod)) return false;
    if (podSelector && !selectorMatches(podSelector, end.pod.metadata.labels)) return false;
    if (!namespaceSelector) return end.pod.metadata.namespace === policy.metadata.namespace;
    const namespace = cluster.namespaces.find(({ metadata }) => metadata.name === end.pod.metadata.namespace);
    const labels = { ...namespace?.metadata.labels, "kubernetes.io/metadata.name": namespace?.metadata.name ?? "" };
    return namespace !== undefined && selectorMatches(namespaceSelector, labels);
  });
}

const namespaceExists = (cluster: Cluster, pod: Pod): boolean =>
  cluster.namespaces.some(({ metadata }) => metadata.name === pod.metadata.namespace);
