import type { Direction, IpBlock, ServiceMatch } from "#core/api/controlplane/index.ts";
import { parsePrefix, type Prefix, tryParsePrefix } from "#lib/ip/index.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "#lib/kube/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type GroupSelector, groupSelector } from "./group-selector.ts";
import type { LoweredPolicy, LoweredRule } from "./lowered-policy.ts";

/** A policy brought to the engine's form, and what in it could not be used: such a part matches nothing and harms nothing else. */
export interface Lowered {
  readonly policy: LoweredPolicy;
  readonly problems: readonly string[];
}

const anybody: readonly IpBlock[] = [
  { cidr: parsePrefix("0.0.0.0/0"), except: [] },
  { cidr: parsePrefix("::/0"), except: [] },
];

/**
 * Lowers a networking.k8s.io/v1 NetworkPolicy. `policyTypes` alone decides the directions: rules of a direction that is not listed are dead
 * text, a listed direction without rules isolates.
 */
export function lowerKubernetesPolicy({ metadata, spec = {} }: NetworkPolicy): Lowered {
  const namespace = metadata.namespace ?? "";
  const problems: string[] = [];
  const ingress = spec.ingress ?? [];
  const egress = spec.egress ?? [];
  const types = spec.policyTypes?.length ? spec.policyTypes : egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
  const lower = (direction: Direction, sources: readonly Source[], field: string): LoweredRule[] =>
    sources.length === 0
      ? [isolation(direction)]
      : sources.map((source, index) => lowerRule({ direction, namespace, source, path: `spec.${field}[${index}]`, problems }));
  const appliedTo = attempt(problems, "spec.podSelector", () => groupSelector({ namespace, podSelector: spec.podSelector ?? {} }));
  return {
    policy: {
      sourceRef: { type: "K8sNetworkPolicy", namespace, name: metadata.name ?? "", uid: metadata.uid ?? "" },
      generation: metadata.generation ?? 0,
      appliedTo: appliedTo === undefined ? [] : [appliedTo],
      rules: [
        ...(types.includes("Ingress")
          ? lower(
              "In",
              ingress.map(({ from, ports }) => ({ peers: from, ports })),
              "ingress",
            )
          : []),
        ...(types.includes("Egress")
          ? lower(
              "Out",
              egress.map(({ to, ports }) => ({ peers: to, ports })),
              "egress",
            )
          : []),
      ],
      loggingOf: namespace,
    },
    problems,
  };
}

interface Source {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

interface RuleContext {
  readonly direction: Direction;
  readonly namespace: string;
  readonly source: Source;
  readonly path: string;
  readonly problems: string[];
}

/** A rule that matches nothing: the direction is isolated, nothing more. */
const isolation = (direction: Direction): LoweredRule => ({
  direction,
  action: "Allow",
  priority: 0,
  peers: [],
  ipBlocks: [],
  services: [],
  appliedTo: [],
});

function lowerRule(context: RuleContext): LoweredRule {
  const { direction, source, path, problems } = context;
  const ports = source.ports ?? [];
  const services = ports
    .map((port, index) => lowerPort(port, `${path}.ports[${index}]`, problems))
    .filter((service) => service !== undefined);
  // Ports of which none can be used must not turn into "every port".
  const peers = ports.length > 0 && services.length === 0 ? { peers: [], ipBlocks: [] } : lowerPeers(context, services);
  return { direction, action: "Allow", priority: -1, ...peers, services, appliedTo: [] };
}

function lowerPeers(
  { direction, namespace, source, path, problems }: RuleContext,
  services: readonly ServiceMatch[],
): Pick<LoweredRule, "peers" | "ipBlocks"> {
  const listed = source.peers ?? [];
  if (listed.length === 0) {
    // A named port is looked up in the destination pod, so that an egress rule to anybody needs to know all pods.
    const named = direction === "Out" && services.some(({ port }) => typeof port === "string");
    return { peers: named ? [groupSelector({ namespace, namespaceSelector: {} })] : [], ipBlocks: anybody };
  }
  const peers: GroupSelector[] = [];
  const ipBlocks: IpBlock[] = [];
  for (const [index, peer] of listed.entries()) {
    const place = `${path}.${direction === "In" ? "from" : "to"}[${index}]`;
    if (peer.ipBlock) {
      const block = lowerBlock(peer.ipBlock, `${place}.ipBlock`, problems);
      if (block) ipBlocks.push(block);
    } else if (peer.podSelector || peer.namespaceSelector) {
      const { podSelector, namespaceSelector } = peer;
      const selector = attempt(problems, place, () =>
        groupSelector({ namespace, podSelector: podSelector ?? undefined, namespaceSelector: namespaceSelector ?? undefined }),
      );
      if (selector) peers.push(selector);
    } else problems.push(`${place}: has none of podSelector, namespaceSelector, ipBlock; it matches nothing`);
  }
  return { peers, ipBlocks };
}

function lowerBlock(
  block: { readonly cidr: string; readonly except?: readonly string[] },
  path: string,
  problems: string[],
): IpBlock | undefined {
  const read = (text: string, field: string): Prefix | undefined => {
    const prefix = tryParsePrefix(text);
    if (prefix === undefined) problems.push(`${path}.${field}: ${JSON.stringify(text)} is no CIDR; the block matches nothing`);
    return prefix;
  };
  const cidr = read(block.cidr, "cidr");
  const except = (block.except ?? []).map((text, index) => read(text, `except[${index}]`));
  // Leaving out an unreadable exception would allow more than was asked for.
  if (cidr === undefined || except.includes(undefined)) return undefined;
  const around = except.findIndex((prefix) => prefix?.covers(cidr));
  if (around >= 0) {
    problems.push(`${path}.except[${around}]: covers all of ${cidr}; the block matches nothing`);
    return undefined;
  }
  return { cidr, except: except.filter((prefix) => prefix !== undefined) };
}

function lowerPort({ protocol = "TCP", port, endPort }: NetworkPolicyPort, path: string, problems: string[]): ServiceMatch | undefined {
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") {
    problems.push(`${path}.protocol: ${JSON.stringify(protocol)} is none of TCP, UDP, SCTP; the entry matches nothing`);
    return undefined;
  }
  const from = port ?? undefined;
  const to = endPort ?? undefined;
  if (to !== undefined && (typeof from !== "number" || to < from)) {
    problems.push(`${path}.endPort: needs a numeric port that is not above it; the entry matches nothing`);
    return undefined;
  }
  return { protocol, ...(from !== undefined && { port: from }), ...(to !== undefined && { endPort: to }) };
}

function attempt<Value>(problems: string[], path: string, read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    problems.push(`${path}: ${errorMessage(error)}; it selects nothing`);
    return undefined;
  }
}
