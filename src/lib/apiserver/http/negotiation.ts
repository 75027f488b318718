import { notAcceptable } from "../errors.ts";
import type { IncludeObject } from "../printing/table.ts";

/** In which form the client wants objects. */
export type Form = "object" | "table" | "partial";

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

/** The first form the client accepts that is served: JSON, as the object, as a table or as metadata only. Throws NotAcceptable. */
export function negotiateForm(header: string | undefined): Form {
  for (const { type, parameters } of parseAccept(header)) {
    if (!jsonTypes.has(type)) continue;
    const { as, g, v } = parameters;
    if (as === undefined) return "object";
    const form = Object.hasOwn(forms, as) ? forms[as] : undefined;
    if (form !== undefined && g === groupOfForms && (v === "v1" || v === "v1beta1")) return form;
  }
  throw notAcceptable(["application/json"]);
}

/** `includeObject=` of a request for a table. */
export function includeObjectOf(parameters: URLSearchParams): IncludeObject {
  const text = parameters.get("includeObject");
  return text === "None" || text === "Object" ? text : "Metadata";
}
