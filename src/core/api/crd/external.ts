import type { KindDefinition } from "./definition.ts";
import { fields, intOrString, ipAddress, list, text } from "./schema.ts";

export const externalEntityDefinition: KindDefinition = {
  kind: "ExternalEntity",
  plural: "externalentities",
  shortNames: ["ee"],
  namespaced: true,
  version: "v1alpha2",
  spec: fields({
    endpoints: list(fields({ ip: ipAddress, name: text() })),
    ports: list(fields({ protocol: text({ enum: ["TCP", "UDP", "SCTP"] }), port: intOrString, name: text() })),
    externalNode: text(),
  }),
};

export const externalNodeDefinition: KindDefinition = {
  kind: "ExternalNode",
  plural: "externalnodes",
  shortNames: ["en"],
  namespaced: true,
  version: "v1alpha1",
  required: ["spec"],
  spec: fields(
    { interfaces: list(fields({ ips: list(ipAddress, { minItems: 1 }), name: text() }), { minItems: 1, maxItems: 1 }) },
    { required: ["interfaces"] },
  ),
};
