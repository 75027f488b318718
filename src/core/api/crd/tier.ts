import { ageColumn, type KindDefinition } from "./definition.ts";
import { fields, text, whole } from "./schema.ts";

export const tierDefinition: KindDefinition = {
  kind: "Tier",
  plural: "tiers",
  shortNames: ["tr"],
  namespaced: false,
  version: "v1beta1",
  required: ["spec"],
  spec: fields({ priority: whole({ minimum: 0, maximum: 255 }), description: text() }, { required: ["priority"] }),
  columns: [
    { name: "Priority", type: "integer", jsonPath: ".spec.priority", description: "The Priority of this Tier relative to other Tiers." },
    ageColumn,
  ],
};
