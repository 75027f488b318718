import { upstreamGroupName } from "../antrea/resources.ts";
import { ageColumn, type KindDefinition } from "./definition.ts";
import { fields, list, type Schema, text, whole } from "./schema.ts";

// The kinds of policy.networking.k8s.io with all their experimental fields. They take and refuse what the definitions take and refuse that
// kubernetes-sigs/network-policy-api publishes (v0.2.0 and v0.1.7); whoever has applied those needs none of ours.

const number = (limits: { readonly minimum: number; readonly maximum: number }): Schema => whole({ format: "int32", ...limits });
const portNumber = number({ minimum: 1, maximum: 65_535 });
const priority = number({ minimum: 0, maximum: 1_000 });

/** Exactly one of these. */
const oneOf = (properties: Readonly<Record<string, Schema>>): Schema => fields(properties, { minProperties: 1, maxProperties: 1 });

const selector = fields(
  {
    matchExpressions: list(
      fields(
        { key: text(), operator: text(), values: list(text(), { "x-kubernetes-list-type": "atomic" }) },
        { required: ["key", "operator"] },
      ),
      { "x-kubernetes-list-type": "atomic" },
    ),
    matchLabels: { type: "object", additionalProperties: text() },
  },
  { "x-kubernetes-map-type": "atomic" },
);

const networks = list(
  text({
    maxLength: 43,
    "x-kubernetes-validations": [{ rule: "isCIDR(self)", message: "is no block of addresses such as 10.0.0.0/8 or fd00::/8" }],
  }),
  {
    minItems: 1,
    maxItems: 25,
    "x-kubernetes-list-type": "set",
  },
);

const label = "[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9])?";
const domainNames = list(text({ pattern: `^(\\*\\.)?(${label}\\.)+${label}\\.?$` }), {
  minItems: 1,
  maxItems: 25,
  "x-kubernetes-list-type": "set",
});

const conditions = list(
  fields(
    {
      type: text({
        maxLength: 316,
        pattern: "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
      }),
      status: text({ enum: ["True", "False", "Unknown"] }),
      observedGeneration: whole({ format: "int64", minimum: 0 }),
      lastTransitionTime: text({ format: "date-time" }),
      reason: text({ minLength: 1, maxLength: 1_024, pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" }),
      message: text({ maxLength: 32_768 }),
    },
    { required: ["lastTransitionTime", "message", "reason", "status", "type"] },
  ),
  { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] },
);

interface Dialect {
  readonly actions: readonly string[];
  /** Most rules of a direction, peers of a rule, and ports of one. */
  readonly limit: number;
  /** What a rule calls its ports, and how they look. */
  readonly ports: { readonly field: string; readonly named: string; readonly items: Schema };
  readonly hasDomainNames: boolean;
  /** Fields that pods must be named by. */
  readonly podsNeed: readonly string[];
}

function rules({ actions, limit, ports, hasDomainNames, podsNeed }: Dialect, side: "from" | "to"): Schema {
  const within = { minItems: 1, maxItems: limit };
  const bare = ["networks", "nodes", ...(hasDomainNames ? ["domainNames"] : [])];
  const outside = { networks, nodes: selector, ...(hasDomainNames && { domainNames }) };
  const isBare = bare.map((field) => `has(peer.${field})`).join(" || ");
  return list(
    fields(
      {
        name: text({ maxLength: 100 }),
        action: text({ enum: actions }),
        [side]: list(oneOf({ ...inside(podsNeed), ...(side === "to" && outside) }), within),
        [ports.field]: list(ports.items, within),
      },
      {
        required: ["action", side],
        ...(side === "to" && {
          "x-kubernetes-validations": [
            {
              rule: `!(self.to.exists(peer, ${isBare}) && has(self.${ports.field}) && self.${ports.field}.exists(port, has(port.${ports.named})))`,
              message: `ports by name are for pods: ${bare.join(", ")} have none`,
            },
          ],
        }),
      },
    ),
    { maxItems: limit },
  );
}

const inside = (podsNeed: readonly string[]) => ({
  namespaces: selector,
  pods: fields({ namespaceSelector: selector, podSelector: selector }, { required: podsNeed }),
});

const spec = (dialect: Dialect, head: Readonly<Record<string, Schema>>): Schema =>
  fields(
    { ...head, subject: oneOf(inside(dialect.podsNeed)), ingress: rules(dialect, "from"), egress: rules(dialect, "to") },
    { required: [...Object.keys(head), "subject"] },
  );

const upstream = {
  group: upstreamGroupName,
  namespaced: false,
  required: ["metadata", "spec"],
  status: fields({ conditions }, { required: ["conditions"] }),
} as const;

const destination = fields(
  {
    destinationPort: oneOf({
      number: portNumber,
      range: fields(
        { start: portNumber, end: portNumber },
        {
          required: ["start", "end"],
          "x-kubernetes-validations": [{ rule: "self.start < self.end", message: "start must be less than end" }],
        },
      ),
    }),
  },
  { minProperties: 1 },
);

export const upstreamClusterNetworkPolicyDefinition: KindDefinition = {
  ...upstream,
  kind: "ClusterNetworkPolicy",
  plural: "clusternetworkpolicies",
  shortNames: ["cnp"],
  version: "v1alpha2",
  approval: "https://github.com/kubernetes-sigs/network-policy-api/pull/347",
  spec: spec(
    {
      actions: ["Accept", "Deny", "Pass"],
      limit: 25,
      ports: {
        field: "protocols",
        named: "destinationNamedPort",
        items: oneOf({ tcp: destination, udp: destination, sctp: destination, destinationNamedPort: text() }),
      },
      hasDomainNames: true,
      podsNeed: ["podSelector"],
    },
    { tier: text({ enum: ["Admin", "Baseline"] }), priority },
  ),
  columns: [
    { name: "Tier", type: "string", jsonPath: ".spec.tier", description: "Before or behind the policies of namespaces." },
    { name: "Priority", type: "integer", jsonPath: ".spec.priority", description: "Lower is earlier." },
    ageColumn,
  ],
};

const protocol = text({ default: "TCP" });
const adminPorts = {
  field: "ports",
  named: "namedPort",
  items: oneOf({
    portNumber: fields({ protocol, port: portNumber }, { required: ["port", "protocol"] }),
    portRange: fields({ protocol, start: portNumber, end: portNumber }, { required: ["start", "end"] }),
    namedPort: text(),
  }),
};
const adminApproval = "https://github.com/kubernetes-sigs/network-policy-api/pull/300";

export const adminNetworkPolicyDefinition: KindDefinition = {
  ...upstream,
  kind: "AdminNetworkPolicy",
  plural: "adminnetworkpolicies",
  shortNames: ["anp"],
  version: "v1alpha1",
  approval: adminApproval,
  spec: spec(
    {
      actions: ["Allow", "Deny", "Pass"],
      limit: 100,
      ports: adminPorts,
      hasDomainNames: true,
      podsNeed: ["namespaceSelector", "podSelector"],
    },
    { priority },
  ),
  columns: [{ name: "Priority", type: "integer", jsonPath: ".spec.priority", description: "Lower is earlier." }, ageColumn],
};

export const baselineAdminNetworkPolicyDefinition: KindDefinition = {
  ...upstream,
  kind: "BaselineAdminNetworkPolicy",
  plural: "baselineadminnetworkpolicies",
  shortNames: ["banp"],
  version: "v1alpha1",
  approval: adminApproval,
  validations: [
    {
      rule: "self.metadata.name == 'default'",
      message: "there is one BaselineAdminNetworkPolicy, and its name is default",
    },
  ],
  spec: spec(
    { actions: ["Allow", "Deny"], limit: 100, ports: adminPorts, hasDomainNames: false, podsNeed: ["namespaceSelector", "podSelector"] },
    {},
  ),
  columns: [ageColumn],
};
