import type { Parts } from "#lib/runtime/parts.ts";
import { apiVersionOf } from "#lib/kube/resource.ts";
import { badRequest } from "../errors.ts";
import { objectMeta } from "../openapi/meta.ts";
import type { JsonObject } from "../openapi/schema.ts";
import { copyOf, isObject } from "../patch/json.ts";
import type { ResourceDefinition } from "../resource.ts";
import { mostFindings, type RuleContext } from "../rules/context.ts";
import type { ApplyBody } from "./body.ts";
import { checkShape, mistypedText } from "../rules/schema-check.ts";

/**
 * The body of an apply as a part of an object of the kind. Throws BadRequest for another kind, for wrong types, for fields that the kind does not have
 * and for owners of fields, which the server alone sets. Keys that the body has twice are told or refused, as the request asks.
 */
export function* applyConfigurationOf(
  definition: ResourceDefinition,
  { value: body, repeated }: ApplyBody,
  context: Pick<RuleContext, "fieldValidation" | "warn">,
): Parts<JsonObject> {
  const { fieldValidation, warn } = context;
  if (fieldValidation === "Strict" && repeated.length > 0)
    throw badRequest(`error strict decoding YAML: yaml: unmarshal errors:\n${repeated.map((text) => `  ${text}`).join("\n")}`);
  if (fieldValidation === "Warn") for (const text of repeated) warn(text);
  if (!isObject(body)) throw badRequest("the body of an apply must be an object");
  const { apiVersion, kind, metadata } = body;
  if (apiVersion !== apiVersionOf(definition) || kind !== definition.kind)
    throw badRequest(`the body of an apply must say apiVersion: ${apiVersionOf(definition)} and kind: ${definition.kind}`);
  if (isObject(metadata) && metadata.managedFields !== undefined && metadata.managedFields !== null)
    throw badRequest("metadata.managedFields must be nil");
  const { schema = {} } = definition;
  const complete = { ...schema, properties: { ...schema.properties, metadata: schema.properties?.metadata ?? objectMeta } };
  const open = schema.properties === undefined ? { ...complete, "x-kubernetes-preserve-unknown-fields": true } : complete;
  const config = copyOf(body);
  yield;
  const { unknown, mistyped } = checkShape(open, config);
  const problems = mistyped.length > 0 ? mistyped.map(mistypedText) : unknown.map((path) => `.${path}: field not declared in schema`);
  if (problems.length > 0) throw badRequest(`failed to create typed patch object: ${problems.slice(0, mostFindings).join(", ")}`);
  return config;
}
