import { type Family, type IpAddress, Prefix } from "#lib/ip/index.ts";
import {
  type Container,
  keyOf,
  type LabelSelector,
  type Namespace,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type Node,
  type Pod,
  type Service,
} from "#lib/kube/index.ts";
import type { Labels } from "#lib/kube/selectors.ts";
import type { CasePod, CaseService, DeclaredPort, OtherKind, OtherObject } from "./case.ts";
import type { CaseCluster } from "./cluster.ts";
import { namespaceOf, shortNameOf } from "./fixture.ts";
import { nameLabel, svc } from "./notation.ts";
import type { World } from "./reference.ts";
import type { PolicyObjectKinds } from "../policy-objects.ts";

/** Where a case runs: what its names and addresses are there. */
export interface Place {
  /** The name of a namespace of the fixture. */
  namespace(name: string): string;
  /** An address of a pod (`x/a`), of a node's own stack (`node-1`) or of a Service (`svc(x/web)`); undefined while it has none. */
  address(end: string, family: Family): IpAddress | undefined;
}

/** The policy with the names and addresses of the place. */
export function placedPolicy({ metadata, spec = {}, ...rest }: NetworkPolicy, place: Place, cluster: CaseCluster): NetworkPolicy {
  const peers = (list: readonly NetworkPolicyPeer[]): NetworkPolicyPeer[] => list.map((peer) => placedPeer(peer, place, cluster));
  return {
    ...rest,
    metadata: { ...metadata, namespace: place.namespace(metadata.namespace ?? "") },
    spec: {
      ...spec,
      ...(spec.ingress === undefined
        ? {}
        : { ingress: spec.ingress.map((rule) => (rule.from ? { ...rule, from: peers(rule.from) } : rule)) }),
      ...(spec.egress === undefined ? {} : { egress: spec.egress.map((rule) => (rule.to ? { ...rule, to: peers(rule.to) } : rule)) }),
    },
  };
}

/** The object with the names and addresses of the place, wherever they stand in it. */
export function placedObject<Kind extends OtherKind>(
  object: PolicyObjectKinds[Kind],
  place: Place,
  cluster: CaseCluster,
): PolicyObjectKinds[Kind] {
  const read = (value: unknown, field: string): unknown => {
    if (typeof value === "string") {
      if (field === "namespace" || field === nameLabel) return place.namespace(value);
      return field === "cidr" || field === "except" || field === "networks" ? placedCidr(value, place, cluster) : value;
    }
    if (Array.isArray(value)) return value.map((each: unknown) => read(each, field));
    if (typeof value !== "object" || value === null) return value;
    const { key, values } = value as { readonly key?: unknown; readonly values?: unknown };
    if (key === nameLabel && values !== undefined) return { ...value, values: read(values, nameLabel) };
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, read(inner, name)]));
  };
  return read(object, "") as PolicyObjectKinds[Kind];
}

function placedPeer(peer: NetworkPolicyPeer, place: Place, cluster: CaseCluster): NetworkPolicyPeer {
  const { namespaceSelector, ipBlock } = peer;
  return {
    ...peer,
    ...(namespaceSelector === undefined ? {} : { namespaceSelector: placedSelector(namespaceSelector, place) }),
    ...(ipBlock === undefined
      ? {}
      : {
          ipBlock: {
            cidr: placedCidr(ipBlock.cidr, place, cluster),
            ...(ipBlock.except === undefined ? {} : { except: ipBlock.except.map((text) => placedCidr(text, place, cluster)) }),
          },
        }),
  };
}

function placedSelector({ matchLabels, matchExpressions }: LabelSelector, place: Place): LabelSelector {
  const value = (key: string, text: string): string => (key === nameLabel ? place.namespace(text) : text);
  return {
    ...(matchLabels === undefined
      ? {}
      : { matchLabels: Object.fromEntries(Object.entries(matchLabels).map(([key, text]) => [key, value(key, text)])) }),
    ...(matchExpressions === undefined
      ? {}
      : {
          matchExpressions: matchExpressions.map((expression) =>
            expression.values === undefined
              ? expression
              : { ...expression, values: expression.values.map((text) => value(expression.key, text)) },
          ),
        }),
  };
}

/** `x/b@4/28` is the /28 around that pod's IPv4 address, `x/b@4in6/124` the same as `::ffff:a.b.c.d/124`; `host(x/a)@6/128` is about the node that hosts it. */
function placedCidr(text: string, place: Place, cluster: CaseCluster): string {
  const match = /^(.+)@(4in6|4|6)\/(\d+)$/.exec(text);
  if (match === null) return text;
  const [, target = "", family, bits] = match;
  const host = /^host\((.+)\)$/.exec(target)?.[1];
  const end = host === undefined ? target : (cluster.pods.get(host)?.node ?? "");
  const address = place.address(end, family === "6" ? 6 : 4);
  if (address === undefined) throw new RangeError(`${text}: ${end} has no address of the family`);
  if (family === "4in6") return `::ffff:${address}/${bits}`;
  return new Prefix(address, Number(bits)).toString();
}

export function placedNamespace(name: string, labels: Labels, place: Place): Namespace {
  const placed = place.namespace(name);
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: placed, labels: { ...labels, [nameLabel]: placed } } };
}

/** The node as the API has it: its own stack's address is the first of its block of pods'. */
function placedNode(name: string, place: Place): Node {
  const podCIDRs = ([4, 6] as const).flatMap((family) => {
    const gateway = place.address(name, family);
    return gateway === undefined ? [] : [new Prefix(gateway, family === 4 ? 24 : 64).toString()];
  });
  return { apiVersion: "v1", kind: "Node", metadata: { name, labels: { "kubernetes.io/hostname": name } }, spec: { podCIDRs } };
}

/** The pod as the API has it once it runs. */
export function placedPod(pod: CasePod, place: Place): Pod {
  const podIPs = ([4, 6] as const).flatMap((family) => {
    const address = place.address(pod.hostNetwork ? pod.node : pod.name, family);
    return address === undefined ? [] : [{ ip: address.toString() }];
  });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: place.namespace(namespaceOf(pod.name)), name: shortNameOf(pod.name), labels: pod.labels },
    spec: {
      nodeName: pod.node,
      ...(pod.serviceAccount === undefined ? {} : { serviceAccountName: pod.serviceAccount }),
      ...(pod.hostNetwork ? { hostNetwork: true } : {}),
      containers: containersOf(pod.ports ?? []),
      ...(pod.initPorts === undefined ? {} : { initContainers: [{ name: "init", ports: pod.initPorts.map(portOf) }] }),
    },
    status: { phase: pod.ends ?? "Running", podIPs },
  };
}

/** The Service as the API has it, with the addresses of the place; without them where the place has none yet. */
export function placedService({ name, selector, ports }: CaseService, place: Place): Service {
  const clusterIPs = ([4, 6] as const).flatMap((family) => place.address(svc(name), family)?.toString() ?? []);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: place.namespace(namespaceOf(name)), name: shortNameOf(name) },
    spec: {
      selector,
      ...(clusterIPs.length === 0 ? {} : { clusterIPs }),
      ipFamilyPolicy: "RequireDualStack",
      ports: ports.map((port) => ({ name: `${port.protocol ?? "TCP"}-${port.port}`.toLowerCase(), ...port })),
    },
  };
}

/** A container declares a name once, so that a name's second entry needs a second container. */
export function containersOf(ports: readonly DeclaredPort[]): Container[] {
  const first = ports.filter(({ name }, index) => ports.findIndex((other) => other.name === name) === index);
  const second = ports.filter((port) => !first.includes(port));
  return [{ name: "main", ports: first.map(portOf) }, ...(second.length === 0 ? [] : [{ name: "second", ports: second.map(portOf) }])];
}

export const portOf = ({ name, port, protocol }: DeclaredPort) => ({
  name,
  containerPort: port,
  ...(protocol === undefined ? {} : { protocol }),
});

/** The cluster as the reference reads it. */
export function worldOf(cluster: CaseCluster, place: Place): World {
  return {
    nodes: ["node-1", "node-2"].map((name) => placedNode(name, place)),
    namespaces: [...cluster.namespaces].map(([name, labels]) => placedNamespace(name, labels, place)),
    pods: [...cluster.pods.values()].map((pod) => placedPod(pod, place)),
    policies: [...cluster.policies.values()].map((policy) => placedPolicy(policy, place, cluster)),
    services: [...cluster.services.values()].map((service) => placedService(service, place)),
    tiers: placedAll("Tier", place, cluster),
    clusterGroups: placedAll("ClusterGroup", place, cluster),
    groups: placedAll("Group", place, cluster),
    antreaPolicies: [...placedAll("AntreaClusterNetworkPolicy", place, cluster), ...placedAll("AntreaNetworkPolicy", place, cluster)],
    clusterNetworkPolicies: placedAll("K8sClusterNetworkPolicy", place, cluster),
    adminNetworkPolicies: placedAll("AdminNetworkPolicy", place, cluster),
    baselineAdminNetworkPolicies: placedAll("BaselineAdminNetworkPolicy", place, cluster),
  };
}

/** Objects of a kind; their UIDs are their kinds and names, as B.2.4 orders by them. */
function placedAll<Kind extends OtherKind>(kind: Kind, place: Place, cluster: CaseCluster): PolicyObjectKinds[Kind][] {
  const isOfKind = (other: OtherObject): other is OtherObject & { readonly kind: Kind; readonly object: PolicyObjectKinds[Kind] } =>
    other.kind === kind;
  return [...cluster.others.values()].filter(isOfKind).map(({ object }) => {
    const placed = placedObject<Kind>(object, place, cluster);
    return { ...placed, metadata: { ...placed.metadata, uid: `${kind}-${keyOf(object).replace("/", "-")}` } };
  });
}
