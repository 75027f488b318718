import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";

/** A structural schema of `apiextensions.k8s.io/v1`. */
export type Schema = JsonSchema;

export const text = (more: Omit<Schema, "type"> = {}): Schema => ({ type: "string", ...more });
export const whole = (more: Omit<Schema, "type"> = {}): Schema => ({ type: "integer", ...more });
export const list = (items: Schema, more: Omit<Schema, "type" | "items"> = {}): Schema => ({ type: "array", items, ...more });
/** Exactly these fields. */
export const fields = (properties: Readonly<Record<string, Schema>>, more: Omit<Schema, "type" | "properties"> = {}): Schema => ({
  type: "object",
  properties,
  ...more,
});
export const intOrString: Schema = { "x-kubernetes-int-or-string": true };
export const ipAddress = text({ oneOf: [{ format: "ipv4" }, { format: "ipv6" }] });
export const port = whole({ minimum: 0, maximum: 65_535 });

const labelValue = text({ pattern: "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$" });

/** `metav1.LabelSelector`. */
export const labelSelector = fields({
  matchExpressions: list(
    fields({
      key: text(),
      operator: text({ enum: ["In", "NotIn", "Exists", "DoesNotExist"] }),
      values: list(labelValue),
    }),
  ),
  matchLabels: { type: "object", additionalProperties: labelValue },
});

export const ipBlock = fields({ cidr: text({ format: "cidr" }), except: list(text({ format: "cidr" })) });

/** An object by name in a namespace. */
export const namespacedName = (required: readonly string[]): Schema => fields({ name: text(), namespace: text() }, { required });

/** `metav1.Condition`. */
export const conditions = list(
  fields({
    type: text(),
    status: text(),
    lastTransitionTime: text(),
    reason: text(),
    message: text(),
  }),
);
