import { apiVersionOf } from "#lib/kube/resource.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import { badRequest, invalidObject } from "../errors.ts";
import { type FieldError, invalid } from "../field-error.ts";
import { objectMeta } from "../openapi/meta.ts";
import { applyDefaults } from "../openapi/defaults.ts";
import type { DraftObject, ResourceDefinition } from "../resource.ts";
import { type BodyFindings, mostFindings, noFindings, type RuleContext } from "./context.ts";
import { checkShape, type Mistyped, mistypedText } from "./schema-check.ts";

/**
 * Makes a parsed body an object of the kind: right type fields, known fields of the right JSON types, defaults set. Works in place.
 * Throws BadRequest for what cannot be read as this kind, and for unknown fields when the request is strict.
 */
export function* decode(definition: ResourceDefinition, body: unknown, context: RuleContext): Parts<DraftObject> {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw badRequest("the body of the request must be a JSON object");
  const draft = body as DraftObject;
  checkType(definition, draft);
  draft.metadata ??= {};
  const schema = definition.schema ?? {};
  const complete = { ...schema, properties: { ...schema.properties, metadata: schema.properties?.metadata ?? objectMeta } };
  const open = definition.schema?.properties === undefined ? { ...complete, "x-kubernetes-preserve-unknown-fields": true } : complete;
  const { unknown, mistyped } = checkShape(open, draft);
  if (mistyped.length > 0 && definition.custom) throw invalidObject(definition, nameOf(draft), mistyped.map(mistypedError));
  if (mistyped.length > 0) {
    const texts = mistyped.slice(0, mostFindings).map(mistypedText).join(", ");
    throw badRequest(`${definition.kind} in version "${definition.version}" cannot be handled as a ${definition.kind}: ${texts}`);
  }
  yield;
  reportStray({ unknown, ...(context.findings === undefined ? {} : { findings: context.findings }) }, context);
  if (definition.schema !== undefined) applyDefaults(definition.schema, draft);
  definition.defaults?.(draft as never);
  yield;
  return draft;
}

function checkType(definition: ResourceDefinition, draft: DraftObject): void {
  const apiVersion = apiVersionOf(definition);
  draft.apiVersion ??= apiVersion;
  draft.kind ??= definition.kind;
  if (draft.apiVersion !== apiVersion)
    throw badRequest(`the API version in the data (${draft.apiVersion}) does not match the expected API version (${apiVersion})`);
  if (draft.kind !== definition.kind)
    throw badRequest(`the kind in the data (${draft.kind}) does not match the expected kind (${definition.kind})`);
}

const nameOf = ({ metadata }: DraftObject): string => (typeof metadata?.name === "string" ? metadata.name : "");

/** As Kubernetes tells it of custom kinds. */
const mistypedError = ({ path, expected, got }: Mistyped): FieldError => ({
  type: "FieldValueTypeInvalid",
  field: path,
  message: `Invalid value: ${JSON.stringify(got)}: ${path} in body must be of type ${expected}: ${JSON.stringify(got)}`,
});

/** Fields that a kind does not have, and what is odd in the text of a body: dropped, told, or refused, as the request asks. */
export function reportStray(
  { unknown = [], findings = noFindings }: { readonly unknown?: readonly string[]; readonly findings?: BodyFindings },
  { fieldValidation, warn }: Pick<RuleContext, "fieldValidation" | "warn">,
): void {
  if (fieldValidation === "Ignore") return;
  const strange = unknown.slice(0, mostFindings).map((path) => `unknown field "${path}"`);
  const texts = findings.ofPatch ? [...findings.texts, ...strange] : [...strange, ...findings.texts];
  if (texts.length === 0) return;
  const text = `strict decoding error: ${texts.join(", ")}`;
  if (fieldValidation === "Strict")
    throw findings.ofPatch ? invalidObject({ group: "", kind: "" }, "", [invalid("patch", "the patched object", text)]) : badRequest(text);
  for (const text of texts) warn(text);
}
