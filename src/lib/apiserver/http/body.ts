import type { IncomingMessage } from "node:http";
import { badRequest, bodyTooLarge, unsupportedMediaType } from "../errors.ts";
import type { Json } from "../openapi/schema.ts";
import { depthOf, maximumDepth } from "../patch/json.ts";
import { decodeKubernetesProtobuf, protobufMediaType } from "../protobuf/decode.ts";

/** Largest request body, as of the real server: 3 MiB. */
export const bodyLimitBytes = 3 * 1024 * 1024;

/** The whole body, or undefined when there is none. Throws RequestEntityTooLarge. */
export async function readBody(request: IncomingMessage, limitBytes = bodyLimitBytes): Promise<Buffer | undefined> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > limitBytes) throw bodyTooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limitBytes) throw bodyTooLarge(limitBytes);
    chunks.push(chunk);
  }
  return length === 0 ? undefined : Buffer.concat(chunks);
}

/** The body as JSON, or Kubernetes' protobuf turned into it. Throws BadRequest for anything else, UnsupportedMediaType when it says that it is something else. */
export async function readJson(request: IncomingMessage): Promise<Json | undefined> {
  const media = mediaType(request);
  if (media !== "" && media !== "application/json" && media !== protobufMediaType) throw unsupportedMediaType(media, ["application/json"]);
  const body = await readBody(request);
  if (body === undefined) return undefined;
  return media === protobufMediaType ? parseProtobuf(body) : parseJson(body);
}

/** Objects of the kinds whose message tables we hold. Throws UnsupportedMediaType for others, BadRequest for damaged bytes. */
function parseProtobuf(body: Buffer): Json {
  const decoded = decodeKubernetesProtobuf(body);
  if ("object" in decoded) return decoded.object;
  if ("unknownKind" in decoded) throw unsupportedMediaType(`${protobufMediaType} of ${decoded.unknownKind}`, ["application/json"]);
  throw badRequest(decoded.problem);
}

/** Throws BadRequest for what is no JSON, or nests deeper than any object. */
export function parseJson(body: Buffer): Json {
  let value: Json;
  try {
    value = JSON.parse(body.toString("utf8")) as Json;
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${(error as Error).message}`);
  }
  if (depthOf(value) > maximumDepth) throw badRequest(`the body of the request nests deeper than ${maximumDepth} levels`);
  return value;
}

/** Lower case, without parameters; "" when absent. */
export const mediaType = (request: IncomingMessage): string => request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
