import { protobufMediaType } from "#lib/kube/protobuf/index.ts";
import { notAcceptable } from "../errors.ts";
import type { IncludeObject } from "../printing/table.ts";

/** In which form the client wants objects. */
export type Form = "object" | "table" | "partial";

export interface Negotiated {
  readonly form: Form;
  readonly encoding: "json" | "protobuf";
}

interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The parts of an `Accept` header, best first. Total: what cannot be read is left out. */
export function parseAccept(header: string | undefined): readonly MediaRange[] {
  const ranges = (header ?? "*/*").split(",").map((part) => {
    const [type = "", ...pairs] = part.split(";").map((piece) => piece.trim());
    const parameters = Object.fromEntries(pairs.map((pair) => pair.split("=", 2)).map(([name = "", value = ""]) => [name, value]));
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.q ?? 1) || 0 };
  });
  return ranges.filter(({ type, quality }) => type !== "" && quality > 0).toSorted((left, right) => right.quality - left.quality);
}

const jsonTypes = new Set(["application/json", "application/*", "*/*"]);
const groupOfForms = "meta.k8s.io";
const forms: Readonly<Record<string, Form>> = { Table: "table", PartialObjectMetadata: "partial", PartialObjectMetadataList: "partial" };

/** What a kind can be answered as, besides JSON. */
export interface Served {
  readonly protobuf: boolean;
  /** Reviews are no tables: they are questions, and there is no row to show. */
  readonly table?: boolean;
}

/**
 * The first form the client accepts that is served: JSON as the object, as a table or as metadata only; protobuf as the object, where the kind's
 * messages are known, or as metadata only. Throws NotAcceptable.
 */
export function negotiate(header: string | undefined, { protobuf, table = true }: Served): Negotiated {
  for (const { type, parameters } of parseAccept(header)) {
    const encoding = jsonTypes.has(type) ? "json" : type === protobufMediaType ? "protobuf" : undefined;
    if (encoding === undefined) continue;
    const form = formOf(parameters);
    if (
      form === undefined ||
      (form === "table" && !table) ||
      (encoding === "protobuf" && (form === "table" || (form === "object" && !protobuf)))
    )
      continue;
    return { form, encoding };
  }
  throw notAcceptable(["application/json", ...(protobuf ? [protobufMediaType] : [])]);
}

/** Whether the client takes protobuf before JSON. For answers that are one object of some kind, in JSON wherever nothing else is known. */
export const prefersProtobuf = (header: string | undefined): boolean =>
  parseAccept(header).find(({ type, parameters }) => parameters.as === undefined && (jsonTypes.has(type) || type === protobufMediaType))
    ?.type === protobufMediaType;

function formOf({ as, g, v }: MediaRange["parameters"]): Form | undefined {
  if (as === undefined) return "object";
  const known = g === groupOfForms && (v === "v1" || v === "v1beta1") && Object.hasOwn(forms, as);
  return known ? forms[as] : undefined;
}

/** `includeObject=` of a request for a table. */
export function includeObjectOf(parameters: URLSearchParams): IncludeObject {
  const text = parameters.get("includeObject");
  return text === "None" || text === "Object" ? text : "Metadata";
}
