import type { GroupMember, NetworkPolicy, PolicyRule, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { NodeState } from "../testing/node-verdict.ts";

export type RowMutation = (state: NodeState) => NodeState;

const inPolicies =
  (change: (policy: NetworkPolicy) => NetworkPolicy | undefined): RowMutation =>
  (state) => ({
    ...held(state),
    policies: new Map(
      [...state.policies].flatMap(([name, policy]) => {
        const changed = change(policy);
        return changed === undefined ? [] : [[name, changed] as const];
      }),
    ),
  });
const inRules = (change: (rule: PolicyRule, policy: NetworkPolicy) => PolicyRule | undefined): RowMutation =>
  inPolicies((policy) => ({ ...policy, rules: policy.rules.flatMap((rule) => change(rule, policy) ?? []) }));
const inServices = (change: (service: ServiceMatch) => ServiceMatch | undefined): RowMutation =>
  inRules((rule) => ({ ...rule, services: rule.services.flatMap((service) => change(service) ?? []) }));
const inMembers =
  (groups: "addressGroups" | "appliedToGroups", change: (member: GroupMember) => GroupMember | undefined): RowMutation =>
  (state) => ({
    ...held(state),
    [groups]: new Map(
      [...state[groups]].map(([name, members]) => [
        name,
        new Map(
          [...members].flatMap(([key, member]) => {
            const changed = change(member);
            return changed === undefined ? [] : [[key, changed] as const];
          }),
        ),
      ]),
    ),
  });
const held = ({ policies, addressGroups, appliedToGroups }: NodeState): NodeState => ({ policies, addressGroups, appliedToGroups });
const isTiered = ({ tierPriority }: NetworkPolicy): boolean => tierPriority !== undefined;

/** Mistakes that an engine could make, as what would come of them in the rows that nodes hold. */
export const rowMutants: readonly (readonly [name: string, mutation: RowMutation])[] = [
  [
    "forgets rules that only isolate",
    inRules((rule) => (rule.peer.ipBlocks.length === 0 && rule.peer.addressGroups.length === 0 ? undefined : rule)),
  ],
  ["lets every policy be of one tier", inPolicies((policy) => (isTiered(policy) ? { ...policy, tierPriority: 100 } : policy))],
  [
    "puts the baseline before Kubernetes",
    inPolicies((policy) => ((policy.tierPriority ?? 0) >= 253 ? { ...policy, tierPriority: 240 } : policy)),
  ],
  [
    "puts AdminNetworkPolicies behind Kubernetes",
    inPolicies((policy) => (policy.tierPriority === 251 ? { ...policy, tierPriority: 254 } : policy)),
  ],
  ["ignores priorities of policies", inPolicies((policy) => (isTiered(policy) ? { ...policy, priority: 1 } : policy))],
  ["ignores the order of rules", inRules((rule, policy) => (isTiered(policy) ? { ...rule, priority: 0 } : rule))],
  ["turns the order of rules around", inRules((rule, policy) => (isTiered(policy) ? { ...rule, priority: -rule.priority } : rule))],
  ["takes Pass for Allow", inRules((rule) => (rule.action === "Pass" ? { ...rule, action: "Allow" } : rule))],
  ["takes Reject for Allow", inRules((rule) => (rule.action === "Reject" ? { ...rule, action: "Allow" } : rule))],
  ["takes Drop for Pass", inRules((rule) => (rule.action === "Drop" ? { ...rule, action: "Pass" } : rule))],
  ["forgets blocks", inRules((rule) => ({ ...rule, peer: { ...rule.peer, ipBlocks: [] } }))],
  [
    "forgets exceptions of blocks",
    inRules((rule) => ({ ...rule, peer: { ...rule.peer, ipBlocks: rule.peer.ipBlocks.map(({ cidr }) => ({ cidr, except: [] })) } })),
  ],
  ["forgets groups of peers", inRules((rule) => ({ ...rule, peer: { ...rule.peer, addressGroups: [] } }))],
  [
    "keeps only the first group of peers",
    inRules((rule) => ({ ...rule, peer: { ...rule.peer, addressGroups: rule.peer.addressGroups.slice(0, 1) } })),
  ],
  ["forgets ports", inRules((rule) => ({ ...rule, services: [] }))],
  ["forgets the ends of ranges", inServices(({ endPort: _, ...service }) => service)],
  [
    "forgets protocols of ports by name",
    inServices((service) => (typeof service.port === "string" && service.protocol !== "TCP" ? undefined : service)),
  ],
  ["forgets nodes as peers", inMembers("addressGroups", (member) => (member.node === undefined ? member : undefined))],
  [
    "forgets external entities as peers",
    inMembers("addressGroups", (member) => (member.externalEntity === undefined ? member : undefined)),
  ],
  [
    "forgets external entities as subjects",
    inMembers("appliedToGroups", (member) => (member.externalEntity === undefined ? member : undefined)),
  ],
  ["forgets the second address of members", inMembers("addressGroups", (member) => ({ ...member, ips: member.ips.slice(0, 1) }))],
  ["forgets named ports of peers", inMembers("addressGroups", (member) => ({ ...member, ports: [] }))],
  ["forgets named ports of subjects", inMembers("appliedToGroups", (member) => ({ ...member, ports: [] }))],
  ["lets rules with their own subjects be for none", inRules((rule) => (rule.appliedToGroups.length === 0 ? rule : undefined))],
  ["takes ingress for egress", inRules((rule) => ({ ...rule, direction: rule.direction === "In" ? "Out" : "In" }))],
];
