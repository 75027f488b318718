import type { Direction, IpBlock, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "#lib/kube/index.ts";
import { type GroupReference, selectPods } from "../group-selector.ts";
import type { LoweredPolicy, LoweredRule, PolicySource } from "../lowered-policy.ts";
import { anybody, lowerBlock } from "./blocks.ts";
import { everyPod, type LoweredPeers, nobody } from "./lowered.ts";
import { hasNamedPort, lowerPort } from "./ports.ts";
import { Problems } from "./problems.ts";
import { stagingOf } from "./staging.ts";

/**
 * Lowers a networking.k8s.io/v1 NetworkPolicy. `policyTypes` alone decides the directions: rules of a direction that is not listed are dead
 * text, a listed direction without rules isolates.
 */
export function lowerKubernetesPolicy({ metadata, spec = {} }: NetworkPolicy): {
  readonly policy: LoweredPolicy;
  readonly problems: readonly string[];
} {
  const namespace = metadata.namespace ?? "";
  const problems = new Problems();
  const { ingress = noRules, egress = noRules, policyTypes } = spec;
  const types = policyTypes?.length ? policyTypes : egress.length > 0 ? bothTypes : ingressOnly;
  const rules: LoweredRule[] = [];
  if (types.includes("Ingress")) {
    if (ingress.length === 0) rules.push(isolation.In);
    for (const [index, { from, ports }] of ingress.entries())
      rules.push(lowerRule({ direction: "In", namespace, source: { peers: from, ports }, path: "spec.ingress", index, problems }));
  }
  if (types.includes("Egress")) {
    if (egress.length === 0) rules.push(isolation.Out);
    for (const [index, { to, ports }] of egress.entries())
      rules.push(lowerRule({ direction: "Out", namespace, source: { peers: to, ports }, path: "spec.egress", index, problems }));
  }
  const appliedTo = problems.attempt("spec.podSelector", () => selectPods({ namespace, podSelector: spec.podSelector ?? {} }));
  return {
    policy: {
      sourceRef: { type: "K8sNetworkPolicy", namespace, name: metadata.name ?? "", uid: metadata.uid ?? "" },
      generation: metadata.generation ?? 0,
      ...stagingOf(metadata),
      appliedTo: appliedTo === undefined ? none : [appliedTo],
      rules,
      loggingOf: namespace,
    },
    problems: problems.found,
  };
}

/** A NetworkPolicy of Kubernetes means the same whatever else there is in the cluster. */
export class KubernetesPolicySource implements PolicySource {
  private readonly policy: NetworkPolicy;

  constructor(policy: NetworkPolicy) {
    this.policy = policy;
  }

  lower(): LoweredPolicy {
    return lowerKubernetesPolicy(this.policy).policy;
  }
}

const none = Object.freeze([]);
const noRules: readonly never[] = none;
const bothTypes: readonly string[] = ["Ingress", "Egress"];
const ingressOnly: readonly string[] = ["Ingress"];

interface Source {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

interface RuleContext {
  readonly direction: Direction;
  readonly namespace: string;
  readonly source: Source;
  /** Of the list of rules. */
  readonly path: string;
  readonly index: number;
  readonly problems: Problems;
}

/** Rules that match nothing: the direction is isolated, nothing more. */
const isolation: Readonly<Record<Direction, LoweredRule>> = {
  In: { direction: "In", action: "Allow", priority: 0, peers: none, ipBlocks: none, services: none, appliedTo: none },
  Out: { direction: "Out", action: "Allow", priority: 0, peers: none, ipBlocks: none, services: none, appliedTo: none },
};

function lowerRule(context: RuleContext): LoweredRule {
  const { direction, source, path, index, problems } = context;
  const ports = source.ports ?? none;
  const services: readonly ServiceMatch[] =
    ports.length === 0
      ? none
      : ports.map((port, at) => lowerPort(port, `${path}[${index}].ports[${at}]`, problems)).filter((service) => service !== undefined);
  // Ports of which none can be used must not turn into "every port".
  const { peers, ipBlocks } = ports.length > 0 && services.length === 0 ? nobody : lowerPeers(context, services);
  return { direction, action: "Allow", priority: -1, peers, ipBlocks, services, appliedTo: none };
}

function lowerPeers({ direction, namespace, source, path, index, problems }: RuleContext, services: readonly ServiceMatch[]): LoweredPeers {
  const listed = source.peers ?? none;
  if (listed.length === 0) return { peers: direction === "Out" && hasNamedPort(services) ? everyPod : none, ipBlocks: anybody };
  const peers: GroupReference[] = [];
  const ipBlocks: IpBlock[] = [];
  for (const [at, peer] of listed.entries()) {
    const place = () => `${path}[${index}].${direction === "In" ? "from" : "to"}[${at}]`;
    if (peer.ipBlock) {
      const block = lowerBlock(peer.ipBlock, `${place()}.ipBlock`, problems);
      if (block) ipBlocks.push(block);
    } else if (peer.podSelector || peer.namespaceSelector) {
      const { podSelector, namespaceSelector } = peer;
      const selector = problems.attempt(place(), () =>
        selectPods({ namespace, podSelector: podSelector ?? undefined, namespaceSelector: namespaceSelector ?? undefined }),
      );
      if (selector) peers.push(selector);
    } else problems.note(place(), "has none of podSelector, namespaceSelector, ipBlock; it matches nothing");
  }
  return { peers, ipBlocks: ipBlocks.length === 0 ? none : ipBlocks };
}
