import { isDeepStrictEqual } from "node:util";
import { asServer } from "../auth/bootstrap.ts";
import type { ApiResource, GroupVersion } from "../discovery/resource-list.ts";
import { serviceUnavailable } from "../errors.ts";
import type { JsonObject } from "../openapi/schema.ts";
import { fetchDocument } from "./backend-request.ts";
import type { Backend } from "./forward.ts";

/** What a server behind this one says of one of its group versions. OpenAPI is absent where it has none. */
export interface PublishedApi {
  readonly resources: readonly ApiResource[];
  readonly openApiV2?: JsonObject;
  readonly openApiV3?: Uint8Array;
}

/** Reads it. A document that equals the one in `before` is that one. Throws ServiceUnavailable when the server does not list its kinds. */
export async function fetchPublished(backend: Backend, { group, version }: GroupVersion, before: PublishedApi): Promise<PublishedApi> {
  const { user } = asServer();
  const path = `/apis/${group}/${version}`;
  const list = parsed(await fetchDocument(backend, path, user));
  if (!Array.isArray(list?.resources)) throw serviceUnavailable(`${path} of ${backend.host}:${backend.port} is no list of resources`);
  const optional = (document: string): Promise<Buffer | undefined> => fetchDocument(backend, document, user).catch(() => undefined);
  const [v2, v3] = await Promise.all([optional("/openapi/v2"), optional(`/openapi/v3${path}`)]);
  const document = parsed(v2);
  const openApiV2 = isDeepStrictEqual(document, before.openApiV2) ? before.openApiV2 : document;
  const openApiV3 = v3 !== undefined && before.openApiV3 !== undefined && v3.equals(before.openApiV3) ? before.openApiV3 : v3;
  return {
    resources: list.resources as unknown as readonly ApiResource[],
    ...(openApiV2 === undefined ? {} : { openApiV2 }),
    ...(openApiV3 === undefined ? {} : { openApiV3 }),
  };
}

/** Undefined for what is no JSON object. */
function parsed(text: Buffer | undefined): JsonObject | undefined {
  try {
    const value = JSON.parse(text?.toString("utf8") ?? "") as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
