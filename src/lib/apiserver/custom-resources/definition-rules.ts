import type { Parts } from "#lib/runtime/parts.ts";
import { type FieldError, forbiddenField, invalid, notSupported, required } from "../field-error.ts";
import type { Json } from "../openapi/schema.ts";
import { jsonEqual } from "../patch/json.ts";
import { label1035, label, subdomain } from "../rules/names.ts";
import { fieldsOfPath, parseJsonPath } from "./json-path.ts";
import { compiledSchema } from "./resource-of-version.ts";
import type { CustomResourceDefinition, CustomResourceNames, CustomResourceVersion } from "./types.ts";

/** Groups of the Kubernetes project: their kinds are reviewed, which the definition must say. */
const protectedGroup = /(^|\.)(k8s\.io|kubernetes\.io)$/;
const approval = "api-approved.kubernetes.io";

/** Columns and versions of one definition at most. */
const mostVersions = 64;

/** What is wrong with a definition beyond its own schema. */
export function* checkDefinition(definition: CustomResourceDefinition, old?: CustomResourceDefinition): Parts<FieldError[]> {
  const { spec, metadata } = definition;
  if (old !== undefined && jsonEqual(spec as unknown as Json, old.spec as unknown as Json)) return checkStoredVersions(definition);
  const { group, names, versions, scope } = spec;
  const errors: FieldError[] = [];
  const check = (field: string, value: string, problem: string | undefined): void => {
    if (problem !== undefined) errors.push(invalid(field, value, problem));
  };
  const expected = `${names.plural}.${group}`;
  if (metadata.name !== expected) errors.push(invalid("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group'));
  check("spec.group", group, subdomain(group));
  if (!group.includes(".")) errors.push(invalid("spec.group", group, "should be a domain with at least one dot"));
  if (protectedGroup.test(group) && !metadata.annotations?.[approval])
    errors.push(
      required(
        `metadata.annotations[${approval}]`,
        "protected groups must have approval annotation, see https://github.com/kubernetes/enhancements/pull/1111",
      ),
    );
  if (scope !== "Cluster" && scope !== "Namespaced") errors.push(notSupported("spec.scope", scope, ["Cluster", "Namespaced"]));
  if (spec.preserveUnknownFields)
    errors.push(
      invalid(
        "spec.preserveUnknownFields",
        true,
        "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ),
    );
  errors.push(...checkNames(names), ...(yield* checkVersions(versions)), ...checkConversion(definition));
  errors.push(...checkStoredVersions(definition));
  if (old !== undefined) errors.push(...checkUnchanged(definition, old));
  return errors;
}

function checkStoredVersions({ spec: { versions }, status }: CustomResourceDefinition): FieldError[] {
  return (status?.storedVersions ?? []).flatMap((stored, index) =>
    versions.some(({ name }) => name === stored)
      ? []
      : [invalid(`status.storedVersions[${index}]`, stored, "must appear in spec.versions")],
  );
}

function checkNames({ plural, singular, kind, listKind, shortNames = [], categories = [] }: CustomResourceNames): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: string, value: string): void => {
    const problem = label1035(value);
    if (problem !== undefined) errors.push(invalid(`spec.names.${field}`, value, problem));
  };
  check("plural", plural);
  if (singular) check("singular", singular);
  check("kind", kind.toLowerCase());
  if (listKind) check("listKind", listKind.toLowerCase());
  if (kind === listKind) errors.push(invalid("spec.names.listKind", listKind, "kind and listKind may not be the same"));
  for (const [index, name] of shortNames.entries()) check(`shortNames[${index}]`, name);
  for (const [index, name] of categories.entries()) check(`categories[${index}]`, name);
  return errors;
}

function* checkVersions(versions: readonly CustomResourceVersion[]): Parts<FieldError[]> {
  const errors: FieldError[] = [];
  if (versions.length === 0) errors.push(required("spec.versions", "must have at least one version"));
  if (versions.length > mostVersions) errors.push(forbiddenField("spec.versions", `at most ${mostVersions} versions`));
  if (versions.filter(({ storage }) => storage).length !== 1)
    errors.push(
      invalid(
        "spec.versions",
        versions.map(({ name }) => name),
        "must have exactly one version marked as storage version",
      ),
    );
  for (const [index, version] of versions.slice(0, mostVersions).entries()) {
    const path = `spec.versions[${index}]`;
    const problem = label(version.name);
    if (problem !== undefined) errors.push(invalid(`${path}.name`, version.name, problem));
    if (versions.findIndex(({ name }) => name === version.name) !== index)
      errors.push(invalid("spec.versions", version.name, "must contain unique version names"));
    errors.push(...(yield* checkVersion(version, path)));
  }
  return errors;
}

function* checkVersion(version: CustomResourceVersion, path: string): Parts<FieldError[]> {
  const errors: FieldError[] = [];
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) errors.push(required(`${path}.schema.openAPIV3Schema`, "schemas are required"));
  else errors.push(...(yield* compiledSchema(schema, `${path}.schema.openAPIV3Schema`)).errors);
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    const where = `${path}.additionalPrinterColumns[${index}]`;
    if (!["integer", "number", "string", "boolean", "date"].includes(column.type))
      errors.push(invalid(`${where}.type`, column.type, "must be one of boolean,date,integer,number,string"));
    if (!column.jsonPath.startsWith(".") || parseJsonPath(column.jsonPath) === undefined)
      errors.push(invalid(`${where}.jsonPath`, column.jsonPath, "must be a simple json path starting with ."));
  }
  for (const [index, { jsonPath }] of (version.selectableFields ?? []).entries())
    if (fieldsOfPath(jsonPath) === undefined)
      errors.push(invalid(`${path}.selectableFields[${index}].jsonPath`, jsonPath, "must be a simple json path"));
  const { scale } = version.subresources ?? {};
  for (const [field, start] of [
    ["specReplicasPath", ".spec."],
    ["statusReplicasPath", ".status."],
    ["labelSelectorPath", "."],
  ] as const) {
    const value = scale?.[field];
    if (value !== undefined && (fieldsOfPath(value) === undefined || !value.startsWith(start)))
      errors.push(invalid(`${path}.subresources.scale.${field}`, value, `must be a json path under ${start}`));
  }
  return errors;
}

function checkConversion({ spec: { conversion } }: CustomResourceDefinition): FieldError[] {
  if (conversion === undefined) return [];
  const { strategy, webhook } = conversion;
  if (strategy === "None")
    return webhook === undefined
      ? []
      : [forbiddenField("spec.conversion.webhook", "should not be set when strategy is not set to Webhook")];
  if (strategy !== "Webhook") return [notSupported("spec.conversion.strategy", strategy, ["None", "Webhook"])];
  const { clientConfig, conversionReviewVersions = [] } = webhook ?? {};
  if (clientConfig === undefined) return [required("spec.conversion.webhook.clientConfig", "required when strategy is set to Webhook")];
  const errors: FieldError[] = [];
  if ((clientConfig.url === undefined) === (clientConfig.service === undefined))
    errors.push(required("spec.conversion.webhook.clientConfig", "exactly one of url or service is required"));
  if (!conversionReviewVersions.includes("v1"))
    errors.push(invalid("spec.conversion.webhook.conversionReviewVersions", conversionReviewVersions, "must include at least one of v1"));
  return errors;
}

function checkUnchanged({ spec }: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  const errors: FieldError[] = [];
  const same = (field: string, before: string, now: string): void => {
    if (before !== now) errors.push(invalid(field, now, "field is immutable"));
  };
  same("spec.group", old.spec.group, spec.group);
  same("spec.names.plural", old.spec.names.plural, spec.names.plural);
  same("spec.scope", old.spec.scope, spec.scope);
  same("spec.names.kind", old.spec.names.kind, spec.names.kind);
  return errors;
}
