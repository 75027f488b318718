import { addressBits, IpAddress, Prefix } from "#lib/ip/index.ts";
import * as json from "./json.ts";
import { deniedAnnotation, stagedAnnotation } from "./names.ts";
import {
  type ComputedRevisions,
  type Group,
  type GroupMember,
  type GroupPatch,
  type IpBlock,
  type NamedPort,
  type NamespacedName,
  type NetworkPolicy,
  nothing,
  type PolicyPeer,
  type PolicyReference,
  type PolicyRule,
  policyTypes,
  type ServiceMatch,
} from "./types.ts";

const protocols = ["TCP", "UDP", "SCTP", "ICMP", "IGMP"] as const;
const int32 = { from: -(2 ** 31), to: 2 ** 31 - 1 };
const port = { from: 0, to: 65_535 };
const byte = { from: 0, to: 255 };

/** Reads a NetworkPolicy of either implementation. Unknown fields are passed over: newer servers have more. */
export function decodeNetworkPolicy(value: unknown): json.Decoded<NetworkPolicy> {
  return json.decoding(() => {
    const policy = json.root(value);
    const { name, uid } = identity(policy);
    const generation = json.field(json.field(policy, "metadata"), "generation");
    const annotations = json.field(json.field(policy, "metadata"), "annotations");
    const staged = json.field(annotations, stagedAnnotation);
    const content = json.absent(staged) ? policy : json.parsed(staged);
    return {
      name,
      uid,
      generation: json.absent(generation) ? 0 : json.whole(generation, { from: 0, to: Number.MAX_SAFE_INTEGER }),
      sourceRef: reference(json.field(policy, "sourceRef")),
      appliedToGroups: json.items(json.field(content, "appliedToGroups"), json.text),
      ...json.optional(policy, "tierPriority", (place) => json.whole(place, int32)),
      ...json.optional(policy, "priority", json.finite),
      rules: json.items(json.field(content, "rules"), rule),
      ...(json.absent(staged) ? {} : { staged: true as const }),
      ...(json.field(annotations, deniedAnnotation).value === "Reject" ? { refusing: true as const } : {}),
    };
  });
}

/** Reads an AddressGroup or AppliedToGroup. */
export function decodeGroup(value: unknown): json.Decoded<Group> {
  return json.decoding(() => {
    const group = json.root(value);
    return { ...identity(group), members: json.items(json.field(group, "groupMembers"), groupMember) };
  });
}

/** Reads an AddressGroupPatch or AppliedToGroupPatch. */
export function decodeGroupPatch(value: unknown): json.Decoded<GroupPatch> {
  return json.decoding(() => {
    const patch = json.root(value);
    return {
      ...identity(patch),
      added: json.items(json.field(patch, "addedGroupMembers"), groupMember),
      removed: json.items(json.field(patch, "removedGroupMembers"), groupMember),
    };
  });
}

/** Reads the text of the computed-revisions annotation. */
export function decodeComputedRevisions(annotation: string): json.Decoded<ComputedRevisions> {
  return json.decoding(() => {
    const revisions = json.root(parsed(annotation), "computed");
    return {
      cluster: json.text(json.field(revisions, "cluster")),
      pods: json.text(json.field(revisions, "pods")),
      namespaces: json.text(json.field(revisions, "namespaces")),
      networkpolicies: json.text(json.field(revisions, "networkpolicies")),
      ...json.optional(revisions, "others", versions),
      ...json.optional(revisions, "changed", versions),
      ...json.optional(revisions, "cutOffSince", json.text),
    };
  });
}

/** Most inputs that are told of; there are a dozen kinds. */
const mostInputs = 64;

function versions(place: json.Place): Readonly<Record<string, string>> {
  const { value } = place;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return json.fail(place, "an object");
  const names = Object.keys(value);
  if (names.length > mostInputs) return json.fail(place, `an object of at most ${mostInputs} fields`);
  return Object.fromEntries(names.map((name) => [name, json.text(json.field(place, name))]));
}

function identity(object: json.Place): { readonly name: string; readonly uid: string } {
  const metadata = json.field(object, "metadata");
  const name = json.text(json.field(metadata, "name"));
  return { name, uid: json.textOrEmpty(json.field(metadata, "uid")) };
}

function reference(place: json.Place): PolicyReference {
  const namespace = json.textOrEmpty(json.field(place, "namespace"));
  return {
    type: json.oneOf(json.field(place, "type"), policyTypes),
    ...(namespace !== "" && { namespace }),
    name: json.text(json.field(place, "name")),
    uid: json.textOrEmpty(json.field(place, "uid")),
  };
}

function rule(place: json.Place): PolicyRule {
  const direction = json.oneOf(json.field(place, "direction"), ["In", "Out"]);
  const action = json.field(place, "action");
  const priority = json.field(place, "priority");
  return {
    direction,
    peer: peer(json.field(place, direction === "In" ? "from" : "to")),
    services: json.items(json.field(place, "services"), service),
    priority: json.absent(priority) ? 0 : json.whole(priority, int32),
    action: json.absent(action) ? "Allow" : json.oneOf(action, ["Allow", "Drop", "Reject", "Pass"]),
    enableLogging: json.flag(json.field(place, "enableLogging")),
    appliedToGroups: json.items(json.field(place, "appliedToGroups"), json.text),
    ...json.optional(place, "name", json.text),
    ...json.optional(place, "logLabel", json.text),
    l7Protocols: json.items(json.field(place, "l7Protocols"), ({ value }) => value),
  };
}

function peer(place: json.Place): PolicyPeer {
  if (json.absent(place)) return nothing;
  return {
    addressGroups: json.items(json.field(place, "addressGroups"), json.text),
    ipBlocks: json.items(json.field(place, "ipBlocks"), ipBlock),
    fqdns: json.items(json.field(place, "fqdns"), json.text),
    toServices: json.items(json.field(place, "toServices"), namespacedName),
    labelIdentities: json.items(json.field(place, "labelIdentities"), (item) => json.whole(item, { from: 0, to: 2 ** 32 - 1 })),
  };
}

function service(place: json.Place): ServiceMatch {
  const protocol = json.field(place, "protocol");
  return {
    protocol: json.absent(protocol) ? "TCP" : json.oneOf(protocol, protocols),
    ...json.optional(place, "port", (value) => (typeof value.value === "string" ? value.value : json.whole(value, port))),
    ...json.optional(place, "endPort", (value) => json.whole(value, port)),
    ...json.optional(place, "srcPort", (value) => json.whole(value, port)),
    ...json.optional(place, "srcEndPort", (value) => json.whole(value, port)),
    ...json.optional(place, "icmpType", (value) => json.whole(value, byte)),
    ...json.optional(place, "icmpCode", (value) => json.whole(value, byte)),
    ...json.optional(place, "igmpType", (value) => json.whole(value, byte)),
    ...json.optional(place, "groupAddress", json.text),
  };
}

function ipBlock(place: json.Place): IpBlock {
  return { cidr: prefix(json.field(place, "cidr")), except: json.items(json.field(place, "except"), prefix) };
}

function prefix(place: json.Place): Prefix {
  const base = address(json.field(place, "ip"));
  const field = json.field(place, "prefixLength");
  const length = json.absent(field) ? 0 : json.whole(field, { from: 0, to: addressBits(6) });
  if (length <= addressBits(base.family)) return new Prefix(base, length);
  // ::ffff:a.b.c.d/104, as it may be written: the length counts the 96 bits before the IPv4 address, too.
  return length >= mappedBits ? new Prefix(base, length - mappedBits) : json.fail(field, "at most 32, or 96 more, for an IPv4 address");
}

const mappedBits = 96;

/** Base64 of 4 or 16 bytes. Go keeps IPv4 in 16 bytes as ::ffff:a.b.c.d, which is IPv4 here too. */
function address(place: json.Place): IpAddress {
  const encoded = json.text(place);
  const bytes = Buffer.from(encoded, "base64");
  if ((bytes.length !== 4 && bytes.length !== 16) || bytes.toString("base64") !== encoded)
    return json.fail(place, "base64 of 4 or 16 bytes");
  const wide = IpAddress.fromBytes(bytes);
  return wide.family === 6 && wide.value >> 32n === 0xffffn ? new IpAddress(4, wide.value & 0xffff_ffffn) : wide;
}

function groupMember(place: json.Place): GroupMember {
  return {
    ...json.optional(place, "pod", namespacedName),
    ...json.optional(place, "externalEntity", namespacedName),
    ...json.optional(place, "node", (node) => json.text(json.field(node, "name"))),
    ...json.optional(place, "service", namespacedName),
    ips: json.items(json.field(place, "ips"), address),
    ports: json.items(json.field(place, "ports"), namedPort),
  };
}

function namedPort(place: json.Place): NamedPort {
  const protocol = json.field(place, "protocol");
  return {
    name: json.textOrEmpty(json.field(place, "name")),
    port: json.whole(json.field(place, "port"), port),
    protocol: json.textOrEmpty(protocol) === "" ? "TCP" : json.oneOf(protocol, protocols),
  };
}

function namespacedName(place: json.Place): NamespacedName {
  return { namespace: json.textOrEmpty(json.field(place, "namespace")), name: json.text(json.field(place, "name")) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
