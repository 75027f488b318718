import type { ResourceDefinition } from "../resource.ts";
import { componentsOf, idOf, listIdOf, referenceTo } from "./components.ts";
import { deleteOptions, status } from "./meta.ts";
import { type Operation, operationsOf, type PathOperations, type Payload, queryParameters } from "./operations.ts";
import type { Json, JsonObject, JsonSchema } from "./schema.ts";

const info = { title: "Kubernetes", version: "v1.32.0" };

/** Parts that operations refer to and no kind holds. */
const operationParts: readonly JsonSchema[] = [
  deleteOptions,
  status,
  { $id: "io.k8s.apimachinery.pkg.apis.meta.v1.Patch", description: "A patch of the type that Content-Type names.", type: "object" },
];

const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

/** The OpenAPI 2 document of all kinds. */
export function documentV2(definitions: readonly ResourceDefinition[]): JsonObject {
  const paths = definitions.flatMap(operationsOf).map((entry): [string, Json] => {
    const parameters = entry.variables.map((name) => ({
      name,
      in: "path",
      required: true,
      type: "string",
      uniqueItems: true,
      description: describeVariable(name),
    }));
    const operations = entry.operations.map((operation): [string, Json] => [operation.method, operationV2(entry, operation)]);
    return [entry.path, { ...Object.fromEntries(operations), ...(parameters.length === 0 ? {} : { parameters }) }];
  });
  return {
    swagger: "2.0",
    info,
    paths: Object.fromEntries(paths),
    definitions: Object.fromEntries(componentsOf(definitions, "v2", operationParts)),
  };
}

/** The OpenAPI 3.0 document of the kinds of one group and version. */
export function documentV3(definitions: readonly ResourceDefinition[]): JsonObject {
  const paths = definitions.flatMap(operationsOf).map((entry): [string, Json] => {
    const parameters = entry.variables.map((name) => ({
      name,
      in: "path",
      required: true,
      schema: { type: "string", uniqueItems: true },
      description: describeVariable(name),
    }));
    const operations = entry.operations.map((operation): [string, Json] => [operation.method, operationV3(entry, operation)]);
    return [entry.path, { ...Object.fromEntries(operations), ...(parameters.length === 0 ? {} : { parameters }) }];
  });
  return {
    openapi: "3.0.0",
    info,
    paths: Object.fromEntries(paths),
    components: { schemas: Object.fromEntries(componentsOf(definitions, "v3", operationParts)) },
  };
}

const describeVariable = (name: string): string => (name === "namespace" ? "Namespace of the object." : "Name of the object.");

function operationV2(entry: PathOperations, operation: Operation): JsonObject {
  const { body, answer, query } = operation;
  const inQuery = query.map((name) => ({ name, in: "query", uniqueItems: true, ...queryParameters[name] }));
  const schema = body === undefined ? undefined : payloadSchema(body, entry, "v2");
  return {
    ...head(operation),
    consumes: body === "patch" ? patchTypes : ["*/*"],
    produces: ["application/json"],
    parameters: [...(schema === undefined ? [] : [{ name: "body", in: "body", required: body !== "deleteOptions", schema }]), ...inQuery],
    responses: { "200": { description: "OK", schema: payloadSchema(answer, entry, "v2") }, "401": { description: "Unauthorized" } },
    ...tail(operation),
  };
}

function operationV3(entry: PathOperations, operation: Operation): JsonObject {
  const { body, answer, query } = operation;
  const types = body === "patch" ? patchTypes : ["*/*"];
  const schema = body === undefined ? undefined : payloadSchema(body, entry, "v3");
  const inQuery = query.map((name) => {
    const { type = "string", description = "" } = queryParameters[name] ?? {};
    return { name, in: "query", description, schema: { type, uniqueItems: true } };
  });
  return {
    ...head(operation),
    ...(inQuery.length === 0 ? {} : { parameters: inQuery }),
    ...(schema === undefined
      ? {}
      : { requestBody: { required: body !== "deleteOptions", content: Object.fromEntries(types.map((type) => [type, { schema }])) } }),
    responses: {
      "200": { description: "OK", content: { "application/json": { schema: payloadSchema(answer, entry, "v3") } } },
      "401": { description: "Unauthorized" },
    },
    ...tail(operation),
  };
}

function head({ id, description, gvk }: Operation): JsonObject {
  return { description, operationId: id, tags: [`${gvk.group === "" ? "core" : gvk.group.split(".")[0]}_${gvk.version}`] };
}

function tail({ action, gvk }: Operation): JsonObject {
  return { "x-kubernetes-action": action, "x-kubernetes-group-version-kind": { ...gvk } };
}

function payloadSchema(payload: Payload, { definition }: PathOperations, dialect: "v2" | "v3"): JsonObject {
  const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
  switch (payload) {
    case "object":
      return referenceTo(idOf(definition), dialect);
    case "list":
      return referenceTo(listIdOf(definition), dialect);
    case "status":
      return referenceTo(`${meta}.Status`, dialect);
    case "deleteOptions":
      return referenceTo(`${meta}.DeleteOptions`, dialect);
    case "patch":
      return referenceTo(`${meta}.Patch`, dialect);
    case "any":
      return { type: "object" };
  }
}
