import assert from "node:assert/strict";
import type { GroupMember, NetworkPolicy, PolicyRule, RuleAction, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";

/** What a node was given, as an agent holds it. */
export interface NodeState {
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly addressGroups: ReadonlyMap<string, ReadonlyMap<string, GroupMember>>;
  readonly appliedToGroups: ReadonlyMap<string, ReadonlyMap<string, GroupMember>>;
}

/** One direction of a first packet, as its node sees it. */
export interface SeenPacket {
  readonly direction: "In" | "Out";
  /** `namespace/name` of the pod or ExternalEntity here. */
  readonly subject: string;
  readonly other: IpAddress;
  readonly protocol: string;
  readonly port?: number;
}

type Layer = "before" | "kubernetes" | "after";
/** Rules from here on come after those of Kubernetes. */
const behindKubernetes = 253;

/** What a node does by the rows it has: layers, then order of rules, as the sheet's D.1 says. Uses nothing of objects or selectors. */
export function verdictOf(state: NodeState, packet: SeenPacket): "Allow" | "Drop" | "Reject" {
  const before = firstAction(state, packet, "before");
  if (before !== undefined && before !== "Pass") return before;
  const kubernetes = rulesOf(state, packet, "kubernetes");
  if (kubernetes.length > 0) return kubernetes.some(({ rule }) => hits(state, packet, rule)) ? "Allow" : "Drop";
  const after = firstAction(state, packet, "after");
  return after === undefined || after === "Pass" ? "Allow" : after;
}

interface PlacedRule {
  readonly policy: NetworkPolicy;
  readonly rule: PolicyRule;
}

const order: readonly RuleAction[] = ["Drop", "Reject", "Allow", "Pass"];

function firstAction(state: NodeState, packet: SeenPacket, layer: Layer): RuleAction | undefined {
  const compare = (one: PlacedRule, other: PlacedRule): number =>
    (one.policy.tierPriority ?? 0) - (other.policy.tierPriority ?? 0) ||
    (one.policy.priority ?? 0) - (other.policy.priority ?? 0) ||
    one.rule.priority - other.rule.priority ||
    order.indexOf(one.rule.action) - order.indexOf(other.rule.action) ||
    (one.policy.uid < other.policy.uid ? -1 : 1);
  return rulesOf(state, packet, layer)
    .sort(compare)
    .find(({ rule }) => hits(state, packet, rule))?.rule.action;
}

/** The rules of one layer and direction whose subjects hold the pod. */
function rulesOf({ policies, appliedToGroups }: NodeState, { direction, subject }: SeenPacket, layer: Layer): PlacedRule[] {
  const applies = (group: string): boolean => {
    // A node is given the groups that have members on it.
    return [...(appliedToGroups.get(group)?.values() ?? [])].some((member) => isMember(member, subject));
  };
  return [...policies.values()]
    .filter(({ tierPriority }) => layerOf(tierPriority) === layer)
    .flatMap((policy) => policy.rules.map((rule) => ({ policy, rule })))
    .filter(
      ({ policy, rule }) => rule.direction === direction && (rule.appliedToGroups.length > 0 ? rule : policy).appliedToGroups.some(applies),
    );
}

function layerOf(tierPriority: number | undefined): Layer {
  if (tierPriority === undefined) return "kubernetes";
  return tierPriority < behindKubernetes ? "before" : "after";
}

function hits(state: NodeState, packet: SeenPacket, { direction, peer, services }: PolicyRule): boolean {
  const { other } = packet;
  const found = peer.addressGroups.flatMap((name) => {
    const members = state.addressGroups.get(name);
    assert.ok(members, "a rule names an address group that this node was not given");
    return [...members.values()].filter(({ ips }) => ips.some((ip) => ip.equals(other)));
  });
  const inBlock = peer.ipBlocks.some(({ cidr, except }) => cidr.contains(other) && !except.some((block) => block.contains(other)));
  if (found.length === 0 && !inBlock) return false;
  if (services.length === 0) return true;
  return services.some((service) => {
    if (service.protocol !== packet.protocol) return false;
    if (typeof service.port !== "string") return numbersFit(service, packet.port);
    // By the ports of the destination: the subject for ingress, the peer for egress, which a block has none of.
    const owners = direction === "Out" ? found : subjectsNamed(state, packet.subject);
    return owners.some(({ ports }) =>
      ports.some(({ name, protocol, port }) => name === service.port && protocol === service.protocol && port === packet.port),
    );
  });
}

function numbersFit({ port, endPort }: ServiceMatch, asked: number | undefined): boolean {
  if (port === undefined) return true;
  return asked !== undefined && typeof port === "number" && asked >= port && asked <= (endPort ?? port);
}

function subjectsNamed({ appliedToGroups }: NodeState, subject: string): GroupMember[] {
  return [...appliedToGroups.values()].flatMap((members) => [...members.values()]).filter((member) => isMember(member, subject));
}

function isMember({ pod, externalEntity }: GroupMember, subject: string): boolean {
  const named = pod ?? externalEntity;
  return named !== undefined && `${named.namespace}/${named.name}` === subject;
}
