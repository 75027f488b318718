import { createHash } from "node:crypto";
import type { ResourceDefinition } from "../resource.ts";
import { documentV2, documentV3 } from "./documents.ts";
import { rootOf } from "./operations.ts";
import type { Json, JsonObject } from "./schema.ts";
import { encodeV2 } from "./v2-protobuf.ts";

/** What a request is answered with. `etag` is quoted, as the header wants it. */
export interface OpenApiBody {
  readonly body: Uint8Array;
  readonly etag: string;
}

/** The OpenAPI documents of a server. Each is made when it is first asked for and kept. */
export interface OpenApi {
  /** `/openapi/v2` as JSON, and as an object to merge with those of other servers by {@link mergeV2}. */
  v2Json(): OpenApiBody;
  v2Document(): JsonObject;
  /** `/openapi/v2` as `application/com.github.proto-openapi.spec.v2@v1.0+protobuf`. */
  v2Protobuf(): OpenApiBody;
  /** Keys of `/openapi/v3` (`api/v1`, `apis/apps/v1`) with the URL of their document, its hash included. */
  v3Paths(): Readonly<Record<string, { readonly serverRelativeURL: string }>>;
  /** `/openapi/v3/KEY`; undefined for a key that is not served. */
  v3(key: string): OpenApiBody | undefined;
}

/** Media type of {@link OpenApi.v2Protobuf}. */
export const v2ProtobufType = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** `others` are the OpenAPI 2 documents of aggregated servers. */
export function createOpenApi(definitions: readonly ResourceDefinition[], others: readonly JsonObject[] = []): OpenApi {
  const byKey = Map.groupBy(definitions, keyOf);
  const v2Document = once(() => mergeV2(documentV2(definitions), others));
  const v3 = memo((key) => {
    const kinds = byKey.get(key);
    return kinds === undefined ? undefined : bodyOf(encodeJson(documentV3(kinds)));
  });
  return {
    v2Document,
    v2Json: once(() => bodyOf(encodeJson(v2Document()))),
    v2Protobuf: once(() => bodyOf(encodeV2(v2Document()))),
    v3,
    v3Paths: once(() =>
      Object.fromEntries([...byKey.keys()].sort().map((key) => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hashOf(v3(key))}` }])),
    ),
  };
}

const keyOf = (definition: ResourceDefinition): string => rootOf(definition).slice(1);
const encodeJson = (value: Json): Uint8Array => Buffer.from(JSON.stringify(value));
const hashOf = (body: OpenApiBody | undefined): string => (body?.etag ?? "").replaceAll('"', "");

function bodyOf(body: Uint8Array): OpenApiBody {
  return { body, etag: `"${createHash("sha256").update(body).digest("hex").slice(0, 40).toUpperCase()}"` };
}

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

function memo<Value>(make: (key: string) => Value): (key: string) => Value {
  const made = new Map<string, Value>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    if (value !== undefined) made.set(key, value);
    return value;
  };
}
