import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { parseDocument } from "yaml";
import { type ProtobufCodec, protobufMediaType } from "#lib/kube/protobuf/index.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, bodyTooLarge, StatusError, unsupportedMediaType } from "../errors.ts";
import type { Json } from "../openapi/schema.ts";
import { depthOf, maximumDepth } from "../patch/json.ts";
import { type BodyFindings, noFindings } from "../rules/context.ts";
import { duplicateFields, objectFindings } from "./duplicate-fields.ts";

/** Largest request body, as of the real server: 3 MiB. */
export const bodyLimitBytes = 3 * 1024 * 1024;

/** The whole body, or undefined when there is none. Throws RequestEntityTooLarge. */
export async function readBody(request: IncomingMessage, limitBytes = bodyLimitBytes): Promise<Buffer | undefined> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > limitBytes) throw bodyTooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let length = 0;
  // not by iteration: what ends one early destroys the stream, and with HTTP/2 the way of the answer
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length <= limitBytes) {
        chunks.push(chunk);
        return;
      }
      request.off("data", take).pause();
      reject(bodyTooLarge(limitBytes));
    };
    request.on("data", take);
    request.once("end", resolve);
    request.once("error", reject);
    request.once("close", () => reject(badRequest("the body of the request broke off")));
  });
  return length === 0 ? undefined : Buffer.concat(chunks);
}

/** A request, and the messages in which its body may be written. */
export interface BodySource {
  readonly request: IncomingMessage;
  readonly protobuf: ProtobufCodec;
}

/** The body as JSON, or Kubernetes' protobuf turned into it. Throws BadRequest for anything else, UnsupportedMediaType when it says that it is something else. */
export async function readJson({ request, protobuf }: BodySource): Promise<Json | undefined> {
  const media = mediaType(request);
  if (media !== "" && media !== "application/json" && media !== protobufMediaType)
    throw unsupportedMediaType(media, ["application/json", protobufMediaType]);
  const body = await readBody(request);
  if (body === undefined) return undefined;
  return media === protobufMediaType ? parseProtobuf(body, protobuf) : parseJson(body);
}

/** Objects of the kinds whose messages are known. Throws UnsupportedMediaType for others, BadRequest for damaged bytes. */
function parseProtobuf(body: Buffer, protobuf: ProtobufCodec): Json {
  const decoded = protobuf.decode(body);
  if ("object" in decoded) return shallow(decoded.object);
  if ("unknownKind" in decoded) throw unsupportedMediaType(`${protobufMediaType} of ${decoded.unknownKind}`, ["application/json"]);
  throw badRequest(decoded.problem);
}

/** What the body of a write holds, and what is odd in its text. */
export interface WrittenJson {
  readonly value: Json | undefined;
  readonly findings: BodyFindings;
}

/** As {@link readJson}, for bodies whose fields are checked. */
export async function readWrittenJson(source: BodySource): Promise<WrittenJson> {
  const { request } = source;
  const media = mediaType(request);
  if (media !== "" && media !== "application/json") return { value: await readJson(source), findings: noFindings };
  const body = await readBody(request);
  if (body === undefined) return { value: undefined, findings: noFindings };
  return { value: parseJson(body), findings: objectFindings(body.toString("utf8")) };
}

/** What an apply asks for, and which keys its text has twice (`line 9: key "foo" already set in map`). */
export interface ApplyBody {
  readonly value: Json | undefined;
  readonly repeated: readonly string[];
}

/** An apply configuration: YAML, of which JSON is a part. Throws BadRequest for what is neither. */
export function parseApplyConfiguration(body: Buffer | undefined): ApplyBody {
  if (body === undefined) return { value: undefined, repeated: [] };
  if (!isUtf8(body)) throw badRequest("the body of the request is not UTF-8");
  const text = body.toString("utf8");
  if (/^\s*\{/.test(text))
    return { value: parseJson(body), repeated: duplicateFields(text).map((path) => `key ${JSON.stringify(path)} already set in map`) };
  try {
    const document = parseDocument(text, { prettyErrors: false, version: "1.2" });
    const damage = document.errors.find(({ code }) => code !== "DUPLICATE_KEY");
    if (damage !== undefined) throw damage;
    const value = document.toJS({ maxAliasCount: 100 }) as Json;
    return { value: shallow(value), repeated: document.errors.slice(0, mostRepeated).map(({ pos: [at] }) => repeatedKey(text, at)) };
  } catch (error) {
    if (error instanceof StatusError) throw error;
    throw badRequest(`error decoding YAML: ${(error as Error).message}`);
  }
}

/** More of them are of no use to anybody. */
const mostRepeated = 100;

function repeatedKey(text: string, at: number): string {
  const line = text.slice(0, at).split("\n").length;
  const key = /^[^\n:]*/.exec(text.slice(at))?.[0].trim() ?? "";
  return `line ${line}: key ${JSON.stringify(key.replace(/^["']|["']$/g, ""))} already set in map`;
}

function shallow(value: Json): Json {
  if (depthOf(value) > maximumDepth) throw badRequest(`the body of the request nests deeper than ${maximumDepth} levels`);
  return value;
}

/** Throws BadRequest for what is no JSON, or nests deeper than any object. */
export function parseJson(body: Buffer): Json {
  if (!isUtf8(body)) throw badRequest("the body of the request is not UTF-8");
  let value: Json;
  try {
    value = JSON.parse(body.toString("utf8")) as Json;
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${(error as Error).message}`);
  }
  return shallow(value);
}

/** Lower case, without parameters; "" when absent. */
export const mediaType = (request: IncomingMessage): string => request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";

/** A body that is an object, with metadata. Throws BadRequest. */
export function objectOf(body: unknown): KubeObject {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw badRequest("the body of the request must be a JSON object");
  return { ...body, metadata: (body as Partial<KubeObject>).metadata ?? {} };
}
