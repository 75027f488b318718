import { InvalidSelector } from "#lib/kube/errors.ts";
import { parseFieldSelector, parseLabelSelector } from "#lib/kube/selectors.ts";
import { badRequest, invalidObject } from "../errors.ts";
import { type FieldError, forbiddenField, notSupported } from "../field-error.ts";
import type { DeleteOptions } from "../object-store.ts";
import type { Json } from "../openapi/schema.ts";
import { isObject } from "../patch/json.ts";
import type { Selection, StoreListOptions, StoreWatchOptions } from "../resource-store.ts";
import type { FieldValidation } from "../rules/context.ts";
import { isTrue, type ResourceTarget } from "./target.ts";

/** Which objects a request to a collection is about. Throws BadRequest. */
export function selectionOf({ namespace, name, group, resource, parameters }: ResourceTarget): Selection {
  // the path of a namespace names it twice
  const within = group === "" && resource === "namespaces" ? "" : namespace;
  const named = name === "" ? [] : [{ path: "metadata.name", equal: true, value: name }];
  try {
    return {
      ...(within === "" ? {} : { namespace: within }),
      labelSelector: parseLabelSelector(parameters.get("labelSelector") ?? ""),
      fieldSelector: [...named, ...parseFieldSelector(parameters.get("fieldSelector") ?? "")],
    };
  } catch (error) {
    if (error instanceof InvalidSelector) throw badRequest(`unable to parse requirement: ${error.message}`);
    throw error;
  }
}

export function listOptionsOf(target: ResourceTarget): StoreListOptions {
  const { parameters } = target;
  const limit = wholeNumber(parameters, "limit") ?? 0;
  const token = parameters.get("continue");
  const resourceVersion = parameters.get("resourceVersion");
  const match = parameters.get("resourceVersionMatch");
  checkMatch(parameters, { watch: false });
  return {
    ...selectionOf(target),
    ...(limit === 0 ? {} : { limit }),
    ...(token ? { continue: token } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(match === "Exact" || match === "NotOlderThan" ? { resourceVersionMatch: match } : {}),
  };
}

/** Which version a list or watch may begin with, as Kubernetes lets clients say it. */
function checkMatch(parameters: URLSearchParams, { watch }: { readonly watch: boolean }): void {
  const match = parameters.get("resourceVersionMatch") ?? "";
  const version = parameters.get("resourceVersion") ?? "";
  const initial = parameters.get("sendInitialEvents");
  const refuse = (error: FieldError): never => {
    throw invalidObject({ group: "meta.k8s.io", kind: "ListOptions" }, "", [error]);
  };
  if (initial !== null && initial !== "") {
    if (!watch) refuse(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    if (match === "")
      refuse(forbiddenField("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    if (match !== "NotOlderThan") refuse(notSupported("resourceVersionMatch", match, ["NotOlderThan"]));
    return;
  }
  if (match === "") return;
  if (watch)
    refuse(forbiddenField("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
  if (version === "")
    refuse(forbiddenField("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  if (parameters.get("continue"))
    refuse(forbiddenField("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
  if (match !== "Exact" && match !== "NotOlderThan") refuse(notSupported("resourceVersionMatch", match, ["Exact", "NotOlderThan"]));
  if (match === "Exact" && version === "0")
    refuse(forbiddenField("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
}

export function watchOptionsOf(target: ResourceTarget): StoreWatchOptions {
  const { parameters } = target;
  const resourceVersion = parameters.get("resourceVersion");
  checkMatch(parameters, { watch: true });
  return {
    ...selectionOf(target),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(parameters.get("sendInitialEvents") === "false" ? { withoutInitialEvents: true } : {}),
    allowBookmarks: isTrue(parameters.get("allowWatchBookmarks")),
    sendInitialEvents: isTrue(parameters.get("sendInitialEvents")),
  };
}

export function fieldValidationOf(parameters: URLSearchParams): FieldValidation {
  const text = parameters.get("fieldValidation") ?? "";
  if (text === "" || text === "Warn") return "Warn";
  if (text === "Ignore" || text === "Strict") return text;
  throw badRequest(`fieldValidation ${JSON.stringify(text)} is none of Ignore, Warn, Strict`);
}

export function isDryRun(parameters: URLSearchParams): boolean {
  const values = parameters.getAll("dryRun").filter((value) => value !== "");
  const wrong = values.find((value) => value !== "All");
  if (wrong !== undefined) throw badRequest(`dryRun ${JSON.stringify(wrong)} is not All`);
  return values.length > 0;
}

/** From the body (`metav1.DeleteOptions`) and, where that is silent, the query. */
export function deleteOptionsOf(parameters: URLSearchParams, body: Json | undefined): DeleteOptions & { readonly dryRun: boolean } {
  if (body !== undefined && !isObject(body)) throw badRequest("the body of a delete request must be DeleteOptions");
  const grace = body?.gracePeriodSeconds ?? wholeNumber(parameters, "gracePeriodSeconds");
  if (grace !== undefined && grace !== null && !Number.isInteger(grace)) throw badRequest("gracePeriodSeconds must be a whole number");
  const orphans = body?.orphanDependents ?? (parameters.has("orphanDependents") ? isTrue(parameters.get("orphanDependents")) : undefined);
  const policy = body?.propagationPolicy ?? parameters.get("propagationPolicy") ?? orphanPolicy(orphans);
  if (policy !== undefined && policy !== null && policy !== "Orphan" && policy !== "Background" && policy !== "Foreground")
    throw badRequest(`propagationPolicy ${JSON.stringify(policy)} is none of Orphan, Background, Foreground`);
  const { preconditions } = body ?? {};
  return {
    ...(typeof grace === "number" ? { gracePeriodSeconds: grace } : {}),
    ...(policy ? { propagationPolicy: policy } : {}),
    ...(isObject(preconditions) ? { preconditions: textFields(preconditions) } : {}),
    dryRun: isDryRun(parameters) || (Array.isArray(body?.dryRun) && body.dryRun.includes("All")),
  };
}

const orphanPolicy = (orphans: Json | undefined): "Orphan" | "Background" | undefined => {
  if (typeof orphans !== "boolean") return undefined;
  return orphans ? "Orphan" : "Background";
};

function textFields({ uid, resourceVersion }: { readonly [field: string]: Json }): NonNullable<DeleteOptions["preconditions"]> {
  return {
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
  };
}

/** Undefined when absent or empty. Throws BadRequest for anything but a non-negative whole number. */
export function wholeNumber(parameters: URLSearchParams, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === null || text === "") return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw badRequest(`${name} ${JSON.stringify(text)} is no whole number`);
  return number;
}
