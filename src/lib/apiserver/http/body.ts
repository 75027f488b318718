import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { type ProtobufCodec, protobufMediaType } from "#lib/kube/protobuf/index.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { atOnce, type Pace, type Parts } from "#lib/runtime/parts.ts";
import { badRequest, bodyTooLarge, tooManyFields, unsupportedMediaType } from "../errors.ts";
import type { Json } from "../openapi/schema.ts";
import { depthOf, maximumDepth } from "../patch/json.ts";
import { type BodyFindings, noFindings } from "../rules/context.ts";
import { duplicateFields, objectFindings } from "./duplicate-fields.ts";
import { countNames, holdsAtMost, measureText } from "./json-text.ts";
import { parseYaml, type ReadYaml } from "./yaml-body.ts";

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
    const brokeOff = (): void => reject(badRequest("the body of the request broke off"));
    request.once("end", () => {
      request.off("close", brokeOff);
      resolve();
    });
    request.once("error", reject);
    request.once("close", brokeOff);
  });
  return length === 0 ? undefined : Buffer.concat(chunks);
}

/** A request, and the messages in which its body may be written. */
export interface BodySource {
  readonly request: IncomingMessage;
  readonly protobuf: ProtobufCodec;
  /** How reading it goes on. */
  readonly pace: Pace;
}

/** As {@link readBody}; a large one when its turn has come. */
export async function bodyInTurn({ request, pace }: Pick<BodySource, "request" | "pace">): Promise<Buffer | undefined> {
  const body = await readBody(request);
  if (body !== undefined && body.length >= largeBodyBytes) await pace.turn();
  return body;
}

/**
 * Most fields and items of one body. Every one costs memory and time many times its length: 3 MiB of the shortest are half a million, of ordinary ones a
 * tenth of this.
 */
export const mostFields = 80_000;

/** A body from here on waits for its turn before it is read, so that of many at once one is read in a turn of the event loop. */
const largeBodyBytes = 64 * 1024;

/** The body as JSON, or Kubernetes' protobuf turned into it. Throws BadRequest for anything else, UnsupportedMediaType when it says that it is something else. */
export async function readJson(source: BodySource): Promise<Json | undefined> {
  const { request, protobuf, pace } = source;
  const media = mediaType(request);
  if (media !== "" && media !== "application/json" && media !== protobufMediaType)
    throw unsupportedMediaType(media, ["application/json", protobufMediaType]);
  const body = await bodyInTurn(source);
  if (body === undefined) return undefined;
  return media === protobufMediaType ? parseProtobuf(body, protobuf) : (await pace.run(parseText(body))).value;
}

/** Objects of the kinds whose messages are known. Throws UnsupportedMediaType for others, BadRequest for damaged bytes. */
function parseProtobuf(body: Buffer, protobuf: ProtobufCodec): Json {
  const decoded = protobuf.decode(body, mostFields);
  if ("tooManyFields" in decoded) throw tooManyFields("the body of the request", mostFields);
  if ("object" in decoded) return bounded(decoded.object);
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
  const { request, pace } = source;
  const media = mediaType(request);
  if (media !== "" && media !== "application/json") return { value: await readJson(source), findings: noFindings };
  const body = await bodyInTurn(source);
  if (body === undefined) return { value: undefined, findings: noFindings };
  const { value, text, repeats } = await pace.run(parseText(body));
  return { value, findings: repeats ? objectFindings(text) : noFindings };
}

/** What an apply asks for, and which keys its text has twice. */
export interface ApplyBody extends Pick<ReadYaml, "repeated"> {
  readonly value: Json | undefined;
}

/** An apply configuration: YAML, of which JSON is a part. Throws BadRequest for what is neither. */
export function* parseApplyConfiguration(body: Buffer | undefined): Parts<ApplyBody> {
  if (body === undefined) return { value: undefined, repeated: [] };
  if (!isUtf8(body)) throw badRequest("the body of the request is not UTF-8");
  if (/^\s*\{/.test(body.subarray(0, 100).toString("latin1"))) {
    const { value, text, repeats } = yield* parseText(body);
    return { value, repeated: repeats ? duplicateFields(text).map((path) => `key ${JSON.stringify(path)} already set in map`) : [] };
  }
  const { value, repeated } = parseYaml(body);
  return { value: bounded(value), repeated };
}

const tooDeep = `the body of the request nests deeper than ${maximumDepth} levels`;

/** A value that was not read from a text of JSON. */
function bounded(value: Json): Json {
  if (!holdsAtMost(value, mostFields)) throw tooManyFields("the body of the request", mostFields);
  if (depthOf(value) > maximumDepth) throw badRequest(tooDeep);
  return value;
}

/** A body that was read. */
interface ReadText {
  readonly value: Json;
  readonly text: string;
  /** Whether some object in it has a field twice: its value has only the last. */
  readonly repeats: boolean;
}

/** Of any number of fields. Throws BadRequest for what is no JSON, or nests deeper than any object. */
export const parseJson = (body: Buffer): Json => atOnce(parseText(body, Number.POSITIVE_INFINITY)).value;

/** As {@link parseJson}, in parts. Throws RequestEntityTooLarge for too many fields. */
export function* parseText(body: Buffer, most = mostFields): Parts<ReadText> {
  if (!isUtf8(body)) throw badRequest("the body of the request is not UTF-8");
  const { fields, names, depth } = measureText(body);
  if (depth > maximumDepth) throw badRequest(tooDeep);
  if (fields > most) throw tooManyFields("the body of the request", mostFields);
  yield;
  const text = body.toString("utf8");
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${(error as Error).message}`);
  }
  yield;
  return { value, text, repeats: countNames(value) !== names };
}

/** Lower case, without parameters; "" when absent. */
export const mediaType = (request: IncomingMessage): string => request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";

/** A body that is an object, with metadata. Throws BadRequest. */
export function objectOf(body: unknown): KubeObject {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw badRequest("the body of the request must be a JSON object");
  return { ...body, metadata: (body as Partial<KubeObject>).metadata ?? {} };
}
