import { NotEncodable } from "../errors.ts";
import type { Json, JsonObject } from "./schema.ts";

/**
 * A message that JSON does not show as an object of its fields: `apiextensions.k8s.io/v1` has four (k8s.io/apiextensions-apiserver, marshal.go), and
 * RawExtension is one (k8s.io/apimachinery).
 */
export interface MessageForm {
  /** What JSON shows, of the fields as their table names them. Throws for fields that cannot be shown. */
  shown(fields: JsonObject): Json;
  /** The fields of what JSON shows. Throws {@link NotEncodable}. */
  fields(shown: Json): JsonObject;
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

function objectIn(value: Json, wanted: string): JsonObject {
  if (typeof value !== "object" || value === null || isList(value)) throw new NotEncodable("of a schema", wanted);
  return value as JsonObject;
}

/** A schema, or a list of something instead. */
const schemaOr = (list: string, wanted: string): MessageForm => ({
  shown: (fields) => {
    const items = fields[list];
    return isList(items) && items.length > 0 ? items : (fields.schema ?? null);
  },
  fields: (shown) => (isList(shown) ? { [list]: shown } : shown === null ? {} : { schema: objectIn(shown, wanted) }),
});

/** Any value at all, as the bytes of its JSON. */
const anyValue: MessageForm = {
  shown: ({ raw }) => (typeof raw === "string" && raw !== "" ? (JSON.parse(Buffer.from(raw, "base64").toString("utf8")) as Json) : null),
  fields: (shown) => (shown === null ? {} : { raw: Buffer.from(JSON.stringify(shown), "utf8").toString("base64") }),
};

/** By the name of the message. */
export const messageForms: Readonly<Record<string, MessageForm>> = {
  "apiextensions.v1.JSON": anyValue,
  "runtime.RawExtension": anyValue,
  "apiextensions.v1.JSONSchemaPropsOrArray": schemaOr("schemas", "a schema or a list of schemas"),
  "apiextensions.v1.JSONSchemaPropsOrStringArray": schemaOr("property", "a schema or a list of names"),
  "apiextensions.v1.JSONSchemaPropsOrBool": {
    shown: ({ allows, schema }) => schema ?? allows === true,
    fields: (shown) =>
      typeof shown === "boolean" ? { allows: shown } : { allows: true, schema: objectIn(shown, "a schema, true or false") },
  },
};
