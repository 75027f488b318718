import { selectorMatches } from "#lib/kube/selectors.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { notFound, StatusError } from "../errors.ts";
import type { ServedVersion } from "../kinds/conversion.ts";
import { isNamespaces, namespaces } from "../kinds/namespace-lifecycle.ts";
import type { Lookup } from "../resource.ts";
import type { AdmissionRequest } from "./admission.ts";
import { compileCondition } from "./conditions.ts";
import type { Webhook, WebhookRule } from "./configuration.ts";
import { asJson, requestOf } from "./review.ts";

/** What rules are compared with. */
export type Asked = Pick<AdmissionRequest, "definition" | "operation" | "subresource">;

/**
 * The version of the kind in which a webhook hears of a request: that of the request where its rules name it, else with `matchPolicy: Equivalent` the
 * first one that they name. Undefined: it does not hear of it.
 */
export function versionHeard<Version extends Pick<ServedVersion, "definition">>(
  { rules = [], matchPolicy = "Equivalent" }: Webhook,
  asked: Asked,
  { own, others }: { readonly own: Version; readonly others: readonly Version[] },
): Version | undefined {
  const named = ({ definition }: Version): boolean => rules.some((rule) => matchesRule(rule, { ...asked, definition }));
  if (named(own)) return own;
  return matchPolicy === "Exact" ? undefined : others.find(named);
}

function matchesRule(rule: WebhookRule, { definition, operation, subresource }: Asked): boolean {
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
  return (kind === "*" || kind === resource) && (sub === "*" || sub === subresource);
}

/** Whether the selectors of a webhook mean the request. Throws NotFound for a namespace that is not there where its labels count. */
export function selects(lookup: Lookup, { namespaceSelector = {}, objectSelector = {} }: Webhook, request: AdmissionRequest): boolean {
  if (!isEmpty(namespaceSelector)) {
    const { definition, namespace } = request;
    const concerned = definition.namespaced ? namespace !== "" : isNamespaces(definition);
    if (concerned && !selectorMatches(namespaceSelector, namespaceLabels(lookup, request))) return false;
  }
  if (isEmpty(objectSelector)) return true;
  // options of a connection have no labels at all: no selector means them
  return [request.object, request.oldObject].some(
    (one) => one?.metadata !== undefined && selectorMatches(objectSelector, one.metadata.labels),
  );
}

const isEmpty = ({ matchLabels = {}, matchExpressions = [] }: NonNullable<Webhook["objectSelector"]>): boolean =>
  Object.keys(matchLabels).length + matchExpressions.length === 0;

/** Of a namespace that is made or changed, the labels it shall have. */
function namespaceLabels(
  lookup: Lookup,
  { definition, namespace, subresource, object }: AdmissionRequest,
): KubeObject["metadata"]["labels"] {
  if (isNamespaces(definition) && subresource === "" && object !== undefined) return object.metadata.labels;
  const found = lookup.get(namespaces, { namespace: "", name: namespace });
  if (found === undefined) throw notFound(namespaces, namespace);
  return found.metadata.labels;
}

/** One condition that does not hold passes the webhook by, whatever becomes of the others. What cannot be evaluated is decided by failurePolicy. */
export function conditionsHold({ name, matchConditions = [], failurePolicy }: Webhook, request: AdmissionRequest): boolean {
  if (matchConditions.length === 0) return true;
  const variables = { object: asJson(request.object), oldObject: asJson(request.oldObject), request: requestOf(request, { uid: "" }) };
  const failures: unknown[] = [];
  for (const { expression } of matchConditions) {
    try {
      const condition = compileCondition(expression);
      if ("problem" in condition) throw new Error(condition.problem);
      if (!condition.holds(variables)) return false;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return true;
  if (failurePolicy === "Ignore") return false;
  const why = failures.map(errorMessage).join("; ");
  throw new StatusError(403, "Forbidden", `admission webhook ${JSON.stringify(name)}: a match condition failed: ${why}`);
}
