import type { IpAddress, Prefix } from "#lib/ip/index.ts";
import { type ControlplaneResource, controlplaneApiVersion, deniedAnnotation, stagedAnnotation } from "./names.ts";
import type { ComputedRevisions, Group, GroupMember, GroupPatch, NetworkPolicy, PolicyPeer, PolicyRule } from "./types.ts";
import type { WireGroup, WireGroupMember, WireGroupPatch, WireIpNet, WireNetworkPolicy, WirePeer, WireRule } from "./wire.ts";

/** Which of the two group resources a group belongs to. */
export type GroupResource = Exclude<ControlplaneResource, "networkpolicies">;

export function encodeNetworkPolicy(policy: NetworkPolicy): WireNetworkPolicy {
  const content = filled({ rules: policy.rules.map(encodeRule), appliedToGroups: policy.appliedToGroups });
  return {
    kind: "NetworkPolicy",
    apiVersion: controlplaneApiVersion,
    metadata: {
      name: policy.name,
      uid: policy.uid,
      ...(policy.generation > 0 && { generation: policy.generation }),
      ...((policy.staged || policy.refusing) && {
        annotations: {
          ...(policy.staged && { [stagedAnnotation]: JSON.stringify(content) }),
          ...(policy.refusing && { [deniedAnnotation]: "Reject" }),
        },
      }),
    },
    ...(policy.staged ? {} : content),
    ...(policy.priority !== undefined && { priority: policy.priority }),
    ...(policy.tierPriority !== undefined && { tierPriority: policy.tierPriority }),
    sourceRef: policy.sourceRef,
  };
}

/** What a watcher is told when it loses sight of a policy: enough to know which it was. */
export function encodeRemovedPolicy(policy: NetworkPolicy): WireNetworkPolicy {
  const { kind, apiVersion, metadata } = encodeNetworkPolicy({ ...policy, rules: [], appliedToGroups: [] });
  return { kind, apiVersion, metadata, sourceRef: policy.sourceRef };
}

export function encodeGroup(resource: GroupResource, group: Group): WireGroup {
  return {
    kind: resource === "addressgroups" ? "AddressGroup" : "AppliedToGroup",
    apiVersion: controlplaneApiVersion,
    metadata: { name: group.name, uid: group.uid },
    ...filled({ groupMembers: group.members.map(encodeGroupMember) }),
  };
}

export function encodeGroupPatch(resource: GroupResource, patch: GroupPatch): WireGroupPatch {
  return {
    kind: resource === "addressgroups" ? "AddressGroupPatch" : "AppliedToGroupPatch",
    apiVersion: controlplaneApiVersion,
    metadata: { name: patch.name, uid: patch.uid },
    ...filled({ addedGroupMembers: patch.added.map(encodeGroupMember), removedGroupMembers: patch.removed.map(encodeGroupMember) }),
  };
}

export function encodeGroupMember(member: GroupMember): WireGroupMember {
  const { pod, externalEntity, service, node } = member;
  return {
    ...(pod && { pod }),
    ...(externalEntity && { externalEntity }),
    ...filled({ ips: member.ips.map(encodeAddress), ports: member.ports }),
    ...(node !== undefined && { node: { name: node } }),
    ...(service && { service }),
  };
}

export const encodeComputedRevisions = (revisions: ComputedRevisions): string => JSON.stringify(revisions);

function encodeRule(rule: PolicyRule): WireRule {
  const peer = encodePeer(rule.peer);
  const isolatesOnly = Object.keys(peer).length === 0 && rule.services.length === 0;
  return {
    direction: rule.direction,
    from: rule.direction === "In" ? peer : {},
    to: rule.direction === "Out" ? peer : {},
    ...filled({ services: rule.services }),
    ...(rule.priority !== 0 && { priority: rule.priority }),
    // A rule that matches nothing has no action in the Go implementation, where absent and Allow mean the same.
    ...(!(isolatesOnly && rule.action === "Allow") && { action: rule.action }),
    enableLogging: rule.enableLogging,
    ...filled({ appliedToGroups: rule.appliedToGroups }),
    ...(rule.name !== undefined && { name: rule.name }),
    ...filled({ l7Protocols: rule.l7Protocols }),
    ...(rule.logLabel !== undefined && { logLabel: rule.logLabel }),
  };
}

function encodePeer(peer: PolicyPeer): WirePeer {
  return filled({
    addressGroups: peer.addressGroups,
    ipBlocks: peer.ipBlocks.map(({ cidr, except }) =>
      except.length === 0 ? { cidr: encodePrefix(cidr) } : { cidr: encodePrefix(cidr), except: except.map(encodePrefix) },
    ),
    fqdns: peer.fqdns,
    toServices: peer.toServices,
    labelIdentities: peer.labelIdentities,
  });
}

export function encodePrefix({ address, length }: Prefix): WireIpNet {
  return length === 0 ? { ip: encodeAddress(address) } : { ip: encodeAddress(address), prefixLength: length };
}

const fourBytes = Buffer.alloc(4);

function encodeAddress(address: IpAddress): string {
  if (address.family === 6) return Buffer.from(address.bytes()).toString("base64");
  // There may be tens of thousands in a policy.
  fourBytes.writeUInt32BE(Number(address.value));
  return fourBytes.toString("base64");
}

/** Leaves out empty lists, as Go does. */
function filled<Lists extends Readonly<Record<string, readonly unknown[]>>>(lists: Lists): Partial<Lists> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<Lists>;
}
