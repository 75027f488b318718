import { isDeepStrictEqual } from "node:util";
import { type Environment, evaluate } from "@marcbachmann/cel-js";
import type { Json, JsonObject, JsonSchema } from "../openapi/schema.ts";

/** What CEL sees of values of one schema. */
export interface SchemaType {
  /** Name of the CEL type: `int`, `list<string>`, or one that was declared for an object. */
  readonly name: string;
  /** The CEL value of a JSON value that has the shape of the schema. Objects are read field by field, when the expression asks. */
  value(json: Json): unknown;
}

/** Declares the types of a schema in `environment`. `path` names them in messages. */
export function declareType(environment: Environment, schema: JsonSchema, path: string): SchemaType {
  if (schema["x-kubernetes-int-or-string"] || schema.nullable) return anything;
  switch (schema.type) {
    case "string":
      return stringTypes[schema.format ?? ""] ?? text;
    case "integer":
      return { name: "int", value: (json) => BigInt(json as number) };
    case "number":
      return { name: "double", value: (json) => json };
    case "boolean":
      return { name: "bool", value: (json) => json };
    case "array":
      return listType(declareType(environment, schema.items ?? {}, `${path}.items`));
    case "object":
      if (schema.properties !== undefined) return objectType(environment, schema, path);
      if (typeof schema.additionalProperties === "object")
        return mapType(declareType(environment, schema.additionalProperties, `${path}.values`));
      return anything;
    default:
      return anything;
  }
}

const text: SchemaType = { name: "string", value: (json) => json };

const timestamp: SchemaType = { name: "google.protobuf.Timestamp", value: (json) => new Date(String(json)) };

const stringTypes: Readonly<Record<string, SchemaType>> = {
  date: timestamp,
  "date-time": timestamp,
  duration: { name: "google.protobuf.Duration", value: (json) => parseDuration(String(json)) },
  byte: { name: "bytes", value: (json) => new Uint8Array(Buffer.from(String(json), "base64")) },
};

/** Whatever it is: whole numbers are `int`. */
const anything: SchemaType = { name: "dyn", value: dynamicValue };

/** The CEL value of JSON that no schema describes. */
export function dynamicValue(json: Json): unknown {
  if (typeof json === "number") return Number.isSafeInteger(json) ? BigInt(json) : json;
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(dynamicValue);
  return new Map(Object.entries(json as JsonObject).map(([name, one]) => [name, dynamicValue(one)]));
}

const listType = (items: SchemaType): SchemaType => ({
  name: `list<${items.name}>`,
  value: (json) => (json as readonly Json[]).map((one) => items.value(one)),
});

const mapType = (values: SchemaType): SchemaType => ({
  name: `map<string, ${values.name}>`,
  value: (json) => new Map(Object.entries(json as JsonObject).map(([name, one]) => [name, values.value(one)])),
});

const source = Symbol("the JSON object");

function objectType(environment: Environment, schema: JsonSchema, path: string): SchemaType {
  class SchemaObject {
    readonly [source]: JsonObject;
    constructor(json: JsonObject) {
      this[source] = json;
    }
  }
  const fields: Record<string, string> = {};
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const escaped = escapedName(name);
    if (escaped === undefined) continue;
    const type = declareType(environment, inner, `${path}.${escaped}`);
    fields[escaped] = type.name;
    Object.defineProperty(SchemaObject.prototype, escaped, {
      get(this: SchemaObject) {
        const json = this[source];
        const value = Object.hasOwn(json, name) ? json[name] : undefined;
        return value === undefined || (value === null && inner.nullable !== true) ? undefined : type.value(value);
      },
    });
  }
  environment.registerType(path, { ctor: SchemaObject, fields });
  environment.registerOperator(`${path} == ${path}`, (left: SchemaObject, right: SchemaObject) =>
    isDeepStrictEqual(left[source], right[source]),
  );
  return { name: path, value: (json) => new SchemaObject(json as JsonObject) };
}

const keywords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(" "),
);

/** The name of a field in expressions; undefined for names that cannot be written there. */
export function escapedName(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name.replaceAll("__", "__underscores__").replaceAll(".", "__dot__").replaceAll("-", "__dash__").replaceAll("/", "__slash__");
}

/** The library has no other way to a duration from outside. Zero for text that is none. */
function parseDuration(written: string): unknown {
  try {
    return evaluate("duration(text)", { text: written });
  } catch {
    return evaluate("duration('0s')");
  }
}
