import type { OpenApiDocuments } from "../http/serve-path.ts";
import type { ResourceDefinition } from "../resource.ts";
import { documentV2, documentV3 } from "./documents.ts";
import { rootOf } from "./operations.ts";
import type { Json, JsonObject } from "./schema.ts";
import { encodeV2 } from "./v2-protobuf.ts";

/** The OpenAPI documents of a server. Each is made when it is first asked for and kept, so that equal bytes are the same array. */
export interface OpenApi extends OpenApiDocuments {
  /** The OpenAPI 2 document as an object, to be merged into that of a server in front of this one. */
  document(): JsonObject;
}

/** `others` are the OpenAPI 2 documents of aggregated servers: their kinds become part of the answer for version 2. */
export function createOpenApi(definitions: readonly ResourceDefinition[], others: readonly JsonObject[] = []): OpenApi {
  const byPath = Map.groupBy(definitions, (definition) => rootOf(definition).slice(1));
  const document = once(() => mergeV2(documentV2(definitions), others));
  const v2 = { json: once(() => encodeJson(document())), protobuf: once(() => encodeV2(document())) };
  const v3 = new Map([...byPath].map(([path, kinds]) => [path, once(() => encodeJson(documentV3(kinds)))]));
  return { document, v2: (form) => v2[form](), v3Paths: () => [...v3.keys()].sort(), v3: (path) => v3.get(path)?.() };
}

const encodeJson = (value: Json): Uint8Array => Buffer.from(JSON.stringify(value));

/** Puts the paths and definitions of other servers beside one's own, which win where names meet. */
export function mergeV2(own: JsonObject, others: readonly JsonObject[]): JsonObject {
  const sections = (field: string): JsonObject =>
    Object.assign({}, ...[...others, own].map((document) => document[field] ?? {})) as JsonObject;
  return { ...own, paths: sections("paths"), definitions: sections("definitions") };
}

function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
