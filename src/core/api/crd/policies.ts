import { ageColumn, type Column, type KindDefinition } from "./definition.ts";
import {
  conditions,
  fields,
  intOrString,
  ipAddress,
  ipBlock,
  labelSelector,
  list,
  namespacedName,
  port,
  type Schema,
  text,
  whole,
} from "./schema.ts";

type Scope = "cluster" | "namespace";

const serviceAccount = namespacedName(["name", "namespace"]);
const selectors = { podSelector: labelSelector, namespaceSelector: labelSelector };

/** Whom a policy or rule is for. Kinds that a scope does not have are no fields of it. */
const appliedTo = (scope: Scope, place: "spec" | "rule"): Schema =>
  list(
    fields(
      scope === "namespace"
        ? { podSelector: labelSelector, group: text(), ...(place === "spec" && { externalEntitySelector: labelSelector }) }
        : {
            ...selectors,
            group: text(),
            serviceAccount,
            service: namespacedName(["name", "namespace"]),
            ...(place === "spec" && { nodeSelector: labelSelector }),
          },
    ),
  );

const peers = (scope: Scope, side: "from" | "to"): Schema =>
  list(
    fields({
      ...selectors,
      ipBlock,
      group: text(),
      nodeSelector: labelSelector,
      ...(scope === "cluster"
        ? {
            serviceAccount,
            namespaces: fields({ match: text({ enum: ["Self"] }), sameLabels: list(text()) }, { minProperties: 1, maxProperties: 1 }),
          }
        : { externalEntitySelector: labelSelector }),
      ...(side === "from" ? { scope: text({ enum: ["Cluster", "ClusterSet"] }) } : { fqdn: text() }),
    }),
  );

const byte = whole({ minimum: 0, maximum: 255 });

const protocols = (igmpTypes: readonly number[]): Schema =>
  list(
    fields(
      {
        icmp: fields({ icmpType: byte, icmpCode: byte }),
        igmp: fields({ igmpType: whole({ enum: igmpTypes }), groupAddress: ipAddress }),
      },
      { minProperties: 1, maxProperties: 1 },
    ),
  );

const l7Protocols = list(
  fields(
    {
      http: fields({
        host: text(),
        method: text({ enum: ["GET", "POST", "PUT", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"] }),
        path: text(),
      }),
      tls: fields({ sni: text() }),
    },
    { minProperties: 1, maxProperties: 1 },
  ),
);

const rule = (scope: Scope, side: "from" | "to"): Schema =>
  list(
    fields(
      {
        action: text({ enum: ["Allow", "Drop", "Reject", "Pass"] }),
        ports: list(
          fields({
            protocol: text({ enum: ["TCP", "UDP", "SCTP"] }),
            port: intOrString,
            endPort: port,
            sourcePort: port,
            sourceEndPort: port,
          }),
        ),
        // Queries come in, reports go out.
        protocols: protocols(side === "from" ? [0x11] : [0x12, 0x16, 0x22]),
        l7Protocols,
        [side]: peers(scope, side),
        ...(side === "to" && {
          toServices: list(
            fields(
              { name: text(), namespace: text(), scope: text({ enum: ["Cluster", "ClusterSet"] }) },
              { required: scope === "cluster" ? ["name", "namespace"] : ["name"] },
            ),
          ),
        }),
        name: text(),
        enableLogging: { type: "boolean" },
        logLabel: text({ pattern: "^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$" }),
        appliedTo: appliedTo(scope, "rule"),
      },
      { required: ["action"] },
    ),
  );

const spec = (scope: Scope): Schema =>
  fields(
    {
      tier: text(),
      priority: { type: "number", format: "float", minimum: 1, maximum: 10_000 },
      appliedTo: appliedTo(scope, "spec"),
      ingress: rule(scope, "from"),
      egress: rule(scope, "to"),
    },
    { required: ["priority"] },
  );

const status = fields({
  phase: text(),
  observedGeneration: whole(),
  currentNodesRealized: whole(),
  desiredNodesRealized: whole(),
  conditions,
});

const columns: readonly Column[] = [
  { name: "Tier", type: "string", jsonPath: ".spec.tier", description: "Its tier." },
  {
    name: "Priority",
    type: "number",
    format: "float",
    jsonPath: ".spec.priority",
    description: "Within its tier: lower goes first.",
  },
  {
    name: "Desired Nodes",
    type: "number",
    format: "int32",
    jsonPath: ".status.desiredNodesRealized",
    description: "Nodes that are to enforce it.",
  },
  {
    name: "Current Nodes",
    type: "number",
    format: "int32",
    jsonPath: ".status.currentNodesRealized",
    description: "Nodes that do.",
  },
  ageColumn,
];

export const clusterNetworkPolicyDefinition: KindDefinition = {
  kind: "ClusterNetworkPolicy",
  plural: "clusternetworkpolicies",
  shortNames: ["acnp"],
  namespaced: false,
  version: "v1beta1",
  required: ["spec"],
  spec: spec("cluster"),
  status,
  columns,
};

export const networkPolicyDefinition: KindDefinition = {
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["annp", "anp"],
  namespaced: true,
  version: "v1beta1",
  required: ["spec"],
  spec: spec("namespace"),
  status,
  columns,
};
