import { selectorMatches } from "#lib/kube/selectors.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type Random, uuid } from "#lib/runtime/random.ts";
import { badRequest, internalError, StatusError } from "../errors.ts";
import type { Json, JsonObject } from "../openapi/schema.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import { isObject } from "../patch/json.ts";
import type { Lookup, ResourceDefinition } from "../resource.ts";
import type { UserInfo } from "../user.ts";
import { callWebhook } from "./call.ts";
import { compileCondition } from "./conditions.ts";
import {
  mutatingConfigurations,
  validatingConfigurations,
  type Webhook,
  type WebhookConfiguration,
  type WebhookRule,
} from "./configuration.ts";

/** A write that somebody may have an opinion on. */
export interface AdmissionRequest {
  readonly definition: ResourceDefinition;
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  /** "" for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly object?: KubeObject;
  readonly oldObject?: KubeObject;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  warn(text: string): void;
}

/** Who is asked before objects are written. */
export interface Admission {
  /** False when nobody would be asked, whatever the object: the write then goes on without a pause. */
  concerns(request: Pick<AdmissionRequest, "definition" | "operation" | "subresource">): boolean;
  /** The object as the mutating webhooks, in turn, would have it. Throws when one denies. */
  mutate(request: AdmissionRequest): Promise<KubeObject | undefined>;
  /** Throws when a validating webhook denies. */
  validate(request: AdmissionRequest): Promise<void>;
}

export function webhookAdmission({ lookup, random }: { readonly lookup: Lookup; readonly random: Random }): Admission {
  const named = (request: Parameters<Admission["concerns"]>[0], resource: typeof mutatingConfigurations): Webhook[] =>
    request.definition.group === mutatingConfigurations.group
      ? []
      : [...lookup.list(resource)]
          .flatMap((one) => (one as WebhookConfiguration).webhooks ?? [])
          .filter(({ rules = [] }) => rules.some((rule) => matchesRule(rule, request)));
  const asked = (request: AdmissionRequest, resource: typeof mutatingConfigurations): Webhook[] =>
    named(request, resource).filter((webhook) => selects(lookup, webhook, request) && conditionsHold(webhook, request));

  /** The answer, or undefined when there is none and the webhook says to go on. Throws when it denies, or cannot be asked and must be. */
  const ask = async (webhook: Webhook, request: AdmissionRequest): Promise<JsonObject | undefined> => {
    const { name, failurePolicy, timeoutSeconds = 10, sideEffects } = webhook;
    if (request.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun")
      throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
    const uid = uuid(random);
    let response: JsonObject;
    try {
      const review = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1", request: requestOf(request, uid) };
      response = responseOf(await callWebhook(lookup, webhook.clientConfig, { review, timeoutMs: timeoutSeconds * 1_000 }), uid);
    } catch (error) {
      if (failurePolicy === "Ignore") return undefined;
      throw internalError(`failed calling webhook ${JSON.stringify(name)}: failed to call webhook: ${errorMessage(error)}`);
    }
    for (const warning of Array.isArray(response.warnings) ? response.warnings : []) request.warn(String(warning));
    if (response.allowed !== true) throw denied(name, response.status);
    return response;
  };

  return {
    concerns: (request) => named(request, mutatingConfigurations).length > 0 || named(request, validatingConfigurations).length > 0,
    async mutate(request) {
      let { object } = request;
      for (const webhook of asked(request, mutatingConfigurations)) {
        const response = await ask(webhook, { ...request, ...(object === undefined ? {} : { object }) });
        if (response?.patch === undefined || object === undefined) continue;
        object = patched(webhook, object, response);
      }
      return object;
    },
    async validate(request) {
      await Promise.all(asked(request, validatingConfigurations).map((webhook) => ask(webhook, request)));
    },
  };
}

function matchesRule(rule: WebhookRule, { definition, operation, subresource }: Parameters<Admission["concerns"]>[0]): boolean {
  const { operations = [], apiGroups = [], apiVersions = [], resources = [], scope = "*" } = rule;
  const has = (values: readonly string[], value: string): boolean => values.includes("*") || values.includes(value);
  const scopes = scope === "*" || (scope === "Namespaced") === definition.namespaced;
  return (
    scopes &&
    has(operations, operation) &&
    has(apiGroups, definition.group) &&
    has(apiVersions, definition.version) &&
    resources.some((pattern) => matchesResource(pattern, definition.resource, subresource))
  );
}

function matchesResource(pattern: string, resource: string, subresource: string): boolean {
  const [kind = "", sub = ""] = pattern.split("/");
  if (kind !== "*" && kind !== resource) return false;
  return pattern.includes("/") ? sub === "*" || sub === subresource : subresource === "";
}

function selects(
  lookup: Lookup,
  { namespaceSelector = {}, objectSelector = {} }: Webhook,
  { definition, namespace, name, object, oldObject }: AdmissionRequest,
): boolean {
  const isNamespace = definition.group === "" && definition.resource === "namespaces";
  if (definition.namespaced || isNamespace) {
    const own = object ?? oldObject;
    const found = isNamespace ? own : lookup.get({ group: "", resource: "namespaces" }, { namespace: "", name: namespace || name });
    if (!selectorMatches(namespaceSelector, found?.metadata.labels)) return false;
  }
  return [object, oldObject].some((one) => one !== undefined && selectorMatches(objectSelector, one.metadata.labels));
}

/** A condition that cannot be evaluated fails the request, or passes the webhook by, as its failurePolicy says. */
function conditionsHold({ name, matchConditions = [], failurePolicy }: Webhook, request: AdmissionRequest): boolean {
  if (matchConditions.length === 0) return true;
  const variables = {
    object: asJson(request.object),
    oldObject: asJson(request.oldObject),
    request: requestOf(request, ""),
  };
  try {
    return matchConditions.every(({ expression }) => {
      const condition = compileCondition(expression);
      if ("problem" in condition) throw new Error(condition.problem);
      return condition.holds(variables);
    });
  } catch (error) {
    if (failurePolicy === "Ignore") return false;
    throw new StatusError(403, "Forbidden", `admission webhook ${JSON.stringify(name)}: a match condition failed: ${errorMessage(error)}`);
  }
}

const asJson = (object: KubeObject | undefined): JsonObject | null => (object === undefined ? null : (object as unknown as JsonObject));

const optionsKinds = { CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions" } as const;

function requestOf(
  { definition, operation, subresource, namespace, name, object, oldObject, user, dryRun }: AdmissionRequest,
  uid: string,
): JsonObject {
  const { group, version, kind, resource } = definition;
  const gvk = { group, version, kind };
  const gvr = { group, version, resource };
  const { username, uid: userUid, groups, extra } = user;
  return {
    uid,
    kind: gvk,
    resource: gvr,
    ...(subresource === "" ? {} : { subResource: subresource, requestSubResource: subresource }),
    requestKind: gvk,
    requestResource: gvr,
    ...(name === "" ? {} : { name }),
    ...(namespace === "" ? {} : { namespace }),
    operation,
    userInfo: {
      username,
      groups,
      ...(userUid === undefined ? {} : { uid: userUid }),
      ...(extra === undefined ? {} : { extra }),
    },
    object: asJson(object),
    oldObject: asJson(oldObject),
    dryRun,
    options: { kind: optionsKinds[operation], apiVersion: "meta.k8s.io/v1" },
  };
}

function responseOf(review: unknown, uid: string): JsonObject {
  const response = isObject(review as Json) ? (review as JsonObject).response : undefined;
  if (!isObject(response)) throw new Error("expected response.uid, but there is no response");
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid)}`);
  return response;
}

function denied(webhook: string, status: Json | undefined): StatusError {
  const { message, reason, code, details } = isObject(status) ? status : {};
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = [message, reason].find((text) => typeof text === "string" && text !== "");
  const httpStatus = typeof code === "number" && code >= 400 && code < 600 ? code : 400;
  const text = why === undefined ? `${by} without explanation` : `${by}: ${String(why)}`;
  return new StatusError(httpStatus, typeof reason === "string" ? reason : "", text, isObject(details) ? (details as object) : {});
}

function patched({ name }: Webhook, object: KubeObject, { patch, patchType }: JsonObject): KubeObject {
  try {
    if (patchType !== "JSONPatch") throw new Error(`patchType ${JSON.stringify(patchType)} is not JSONPatch`);
    const change = JSON.parse(Buffer.from(String(patch), "base64").toString("utf8")) as Json;
    const result = jsonPatch(object as unknown as Json, change);
    if (!isObject(result)) throw new Error("the patch leaves no object");
    return result as unknown as KubeObject;
  } catch (error) {
    throw internalError(`the patch of webhook ${JSON.stringify(name)} cannot be applied: ${errorMessage(error)}`);
  }
}
