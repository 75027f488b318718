import { atOnce } from "#lib/runtime/parts.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { internalError, StatusError } from "../errors.ts";
import type { Json, JsonObject } from "../openapi/schema.ts";
import { isObject } from "../patch/json.ts";
import { jsonPatch } from "../patch/json-patch.ts";
import type { ResourceDefinition } from "../resource.ts";
import type { AdmissionRequest } from "./admission.ts";

/** Its `response` answers the request with the same `uid` (`admission.k8s.io/v1 AdmissionReview`). */
export const reviewType = { kind: "AdmissionReview", apiVersion: "admission.k8s.io/v1" } as const;

export const asJson = (object: KubeObject | undefined): JsonObject | null =>
  object === undefined ? null : (object as unknown as JsonObject);

const optionsKinds = { CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions" } as const;

/** The `request` of a review. `asked` is the kind as the client addressed it, where the webhook hears of it in another version. */
export function requestOf(
  request: AdmissionRequest,
  { uid, asked = request.definition }: { uid: string; asked?: ResourceDefinition },
): JsonObject {
  const { definition, objectKind, operation, subresource, namespace, name, object, oldObject, user, dryRun, options = {} } = request;
  const kindOf = ({ group, version, kind }: ResourceDefinition): JsonObject => ({ group, version, kind, ...objectKind });
  const resourceOf = ({ group, version, resource }: ResourceDefinition): JsonObject => ({ group, version, resource });
  const { username, uid: userUid, groups, extra } = user;
  return {
    uid,
    kind: kindOf(definition),
    resource: resourceOf(definition),
    ...(subresource === "" ? {} : { subResource: subresource, requestSubResource: subresource }),
    requestKind: kindOf(asked),
    requestResource: resourceOf(asked),
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
    options:
      operation === "CONNECT"
        ? null
        : { kind: optionsKinds[operation], apiVersion: "meta.k8s.io/v1", ...options, ...(dryRun ? { dryRun: ["All"] } : {}) },
  };
}

/** The `response` of an answered review. Throws an Error that says what is no answer to it. */
export function responseOf(review: unknown, uid: string): JsonObject {
  const { kind, apiVersion, response } = isObject(review as Json) ? (review as JsonObject) : {};
  if (kind !== reviewType.kind || apiVersion !== reviewType.apiVersion)
    throw new Error(
      `expected webhook response of ${reviewType.apiVersion}, Kind=${reviewType.kind}, got ${String(apiVersion)}, Kind=${String(kind)}`,
    );
  if (!isObject(response)) throw new Error("webhook response was absent");
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid)}`);
  return response;
}

/** The refusal that a webhook asks for. */
export function denied(webhook: string, status: Json | undefined): StatusError {
  const { message, reason, code, details } = isObject(status) ? status : {};
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = [message, reason].find((text) => typeof text === "string" && text !== "");
  const httpStatus = typeof code === "number" && code >= 400 && code < 600 ? code : 400;
  const text = why === undefined ? `${by} without explanation` : `${by}: ${String(why)}`;
  return new StatusError(httpStatus, typeof reason === "string" ? reason : "", text, isObject(details) ? (details as object) : {});
}

/** The operations that a mutating webhook's answer holds; none when it leaves the object as it is. Throws an Error for half an answer. */
export function patchOf({ patch, patchType }: JsonObject): Json | undefined {
  const hasPatch = typeof patch === "string" && patch !== "";
  const hasType = patchType !== undefined && patchType !== null && patchType !== "";
  if (hasPatch && !hasType) throw new Error("webhook returned response.patch but not response.patchType");
  if (!hasPatch && hasType) throw new Error("webhook returned response.patchType but not response.patch");
  if (!hasPatch) return undefined;
  if (patchType !== "JSONPatch") throw new Error(`invalid response.patchType of ${JSON.stringify(patchType)}`);
  return JSON.parse(Buffer.from(patch, "base64").toString("utf8")) as Json;
}

/** The object as a webhook would have it. Throws InternalError. */
export function patched(webhook: string, object: KubeObject | undefined, patch: Json): KubeObject {
  const name = JSON.stringify(webhook);
  if (object === undefined)
    throw internalError(`admission webhook ${name} attempted to modify the object, which is not supported for this operation`);
  try {
    const result = atOnce(jsonPatch(object as unknown as Json, patch));
    if (!isObject(result)) throw new Error("the patch leaves no object");
    return result as unknown as KubeObject;
  } catch (error) {
    throw internalError(`the patch of webhook ${name} cannot be applied: ${errorMessage(error)}`);
  }
}
