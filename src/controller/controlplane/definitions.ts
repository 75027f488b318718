import {
  type ControlplaneResource,
  controlplaneGroup,
  controlplaneVersion,
  type EnforcementStatus,
  type WireGroup,
  type WireGroupPatch,
  type WireNetworkPolicy,
} from "#core/api/controlplane/index.ts";
import * as schema from "#lib/apiserver/openapi/build.ts";
import { intOrString, kindSchema } from "#lib/apiserver/openapi/meta.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";
import { nameColumn } from "#lib/apiserver/printing/columns.ts";
import { defineResource, type PrinterColumn, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { ResourceStore, StoreContext } from "#lib/apiserver/resource-store.ts";
import type { SubresourceHandler } from "#lib/apiserver/subresource.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeObject } from "#lib/kube/index.ts";

/** Where it is kept what agents say of policies. */
export interface PolicyReports {
  /** Hears what an agent says of the policy of this UID. */
  take(policy: string, status: KubeObject, user: UserInfo): void;
  /** How far it is enforced. Throws NotFound. */
  read(policy: string, context: StoreContext): Promise<EnforcementStatus>;
}

/** The kinds of controlplane.antrea.io/v1beta2 that are there, each over its store. */
export function controlplaneDefinitions(
  stores: Readonly<Record<ControlplaneResource, ResourceStore>>,
  reports: PolicyReports,
): ResourceDefinition[] {
  return [
    define<WireNetworkPolicy>({
      resource: "networkpolicies",
      singular: "networkpolicy",
      kind: "NetworkPolicy",
      schema: networkPolicySchema,
      columns: [nameColumn, sourceColumn, countColumn<WireNetworkPolicy>("Rules", "Number of rules.", ({ rules }) => rules)],
      store: stores.networkpolicies,
      subresources: { custom: { status: statusOf(reports) } },
    }),
    ...(
      [
        ["addressgroups", "AddressGroup", "Peers of rules."],
        ["appliedtogroups", "AppliedToGroup", "Pods that policies apply to."],
      ] as const
    ).map(([resource, kind, description]) =>
      define<WireGroup | WireGroupPatch>({
        resource,
        singular: kind.toLowerCase(),
        kind,
        schema: kindSchema({
          ...gvk(kind),
          description,
          fields: { groupMembers: groupMembersField },
        }),
        columns: [nameColumn, membersColumn],
        store: stores[resource],
      }),
    ),
  ];
}

/** Agents tell here, by POST, which generation of a policy they have; who asks hears of all nodes. */
const statusOf = (reports: PolicyReports): SubresourceHandler => ({
  kind: "NetworkPolicyStatus",
  verbs: ["create", "get"],
  create({ key, user }, body) {
    reports.take(key.name, body, user);
    return body;
  },
  get: (request) => reports.read(request.key.name, request) as Promise<KubeObject>,
});

type Own<Kind extends KubeObject> = Pick<
  ResourceDefinition<Kind>,
  "resource" | "singular" | "kind" | "columns" | "store" | "subresources"
> & {
  readonly schema: JsonSchema;
};

function define<Kind extends KubeObject>(own: Own<Kind>): ResourceDefinition {
  return defineResource<Kind>({
    group: controlplaneGroup,
    version: controlplaneVersion,
    listKind: `${own.kind}List`,
    namespaced: false,
    verbs: ["get", "list", "watch"],
    selectableFields: { nodeName: () => "" },
    ...own,
  });
}

const prefix = "io.antrea.controlplane.v1beta2";
const gvk = (kind: string) => ({ id: `${prefix}.${kind}`, group: controlplaneGroup, version: controlplaneVersion, kind });

const sourceColumn: PrinterColumn<WireNetworkPolicy> = {
  name: "Source",
  type: "string",
  description: "The policy it was computed from.",
  value: ({ sourceRef }) =>
    sourceRef === undefined ? "" : `${sourceRef.type}:${sourceRef.namespace ? `${sourceRef.namespace}/` : ""}${sourceRef.name}`,
};

/** In a watch, a change of a group has a kind of its own: it shows how many came and went. */
const membersColumn: PrinterColumn<WireGroup | WireGroupPatch> = {
  name: "Members",
  type: "string",
  description: "Number of members; in a watch, how many came and went.",
  value(object) {
    if (isPatch(object)) return `+${object.addedGroupMembers?.length ?? 0} -${object.removedGroupMembers?.length ?? 0}`;
    return String(object.groupMembers?.length ?? 0);
  },
};

const isPatch = (object: WireGroup | WireGroupPatch): object is WireGroupPatch => object.kind.endsWith("Patch");

function countColumn<Kind extends KubeObject>(
  name: string,
  description: string,
  items: (object: Kind) => readonly unknown[] | undefined,
): PrinterColumn<Kind> {
  return { name, type: "integer", description, value: (object) => items(object)?.length ?? 0 };
}

export const reference = schema.part(`${prefix}.Reference`, "An object by name.", {
  name: schema.string("Name."),
  namespace: schema.string("Namespace."),
});
const namedPort = schema.part(`${prefix}.NamedPort`, "A port that a container declares under a name.", {
  name: schema.string("Name."),
  port: schema.int32("Number."),
  protocol: schema.string("TCP, UDP or SCTP."),
});
export const groupMember = schema.part(`${prefix}.GroupMember`, "A member of a group.", {
  pod: schema.use(reference, "The Pod."),
  externalEntity: schema.use(reference, "The ExternalEntity."),
  node: schema.use(reference, "The Node."),
  service: schema.use(reference, "The Service."),
  ips: schema.list(schema.bytes("Address of 4 or 16 bytes."), "Addresses."),
  ports: schema.list(namedPort, "Named ports."),
});
export const groupMembersField = schema.list(groupMember, "Members, each with its whole content.");
export const ipNet = schema.part(`${prefix}.IPNet`, "A block of addresses.", {
  ip: schema.bytes("Address of 4 or 16 bytes."),
  prefixLength: schema.int32("Fixed bits."),
});
const ipBlock = schema.part(`${prefix}.IPBlock`, "A block but for others in it.", {
  cidr: schema.use(ipNet, "The block."),
  except: schema.list(ipNet, "What is left out."),
});
const peer = schema.part(`${prefix}.NetworkPolicyPeer`, "Union of peers; empty matches nothing.", {
  addressGroups: schema.list(schema.string("Name of an AddressGroup."), "Groups."),
  ipBlocks: schema.list(ipBlock, "Blocks."),
  fqdns: schema.list(schema.string("Pattern."), "DNS names."),
  toServices: schema.list(reference, "Services."),
});
const service = schema.part(`${prefix}.Service`, "Protocol and ports.", {
  protocol: schema.string("TCP when absent."),
  port: schema.use(intOrString, "Destination port, by number or name; absent is every port."),
  endPort: schema.int32("Last port of a range."),
});
const rule = schema.part(`${prefix}.NetworkPolicyRule`, "One rule.", {
  direction: schema.string("In or Out."),
  from: schema.use(peer, "Sources of an ingress rule."),
  to: schema.use(peer, "Destinations of an egress rule."),
  services: schema.list(service, "Protocols and ports; empty is everything."),
  priority: schema.int32("Position in its policy; -1 for Kubernetes policies."),
  action: schema.string("Allow, Drop, Reject or Pass; absent is Allow."),
  enableLogging: schema.boolean("Whether hits are written to the audit log."),
  appliedToGroups: schema.list(schema.string("Name of an AppliedToGroup."), "Subjects, when the policy names none."),
  name: schema.string("Name of the rule."),
  logLabel: schema.string("Text for audit log lines."),
});
export const policyReference = schema.part(`${prefix}.NetworkPolicyReference`, "The policy that was computed.", {
  type: schema.string("Kind of policy."),
  namespace: schema.string("Namespace."),
  name: schema.string("Name."),
  uid: schema.string("UID."),
});
const networkPolicySchema = kindSchema({
  ...gvk("NetworkPolicy"),
  description: "A policy as computed: selectors became groups.",
  fields: {
    rules: schema.list(rule, "Rules."),
    appliedToGroups: schema.list(schema.string("Name of an AppliedToGroup."), "Subjects."),
    priority: { description: "Priority within the tier; absent for Kubernetes policies.", type: "number", format: "double" },
    tierPriority: schema.int32("Priority of the tier; absent for Kubernetes policies."),
    sourceRef: schema.use(policyReference, "The policy it was computed from."),
  },
});
