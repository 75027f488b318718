import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "#lib/kube/types.ts";
import { forbidden, notFound } from "../errors.ts";
import { defineResource, type HookContext, type ResourceDefinition } from "../resource.ts";
import { mastersGroup } from "../user.ts";
import { type PolicyRule, rbacAuthorizer } from "./rbac.ts";

interface RoleObject extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null;
  readonly aggregationRule?: object;
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: unknown;
}

const group = "rbac.authorization.k8s.io";
const everything: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

/**
 * Roles and bindings as nobody can use them to get more than they have: who writes a role must hold its rules, or may `escalate` it; who binds a role must
 * hold its rules, or may `bind` it. Other kinds stay as they are.
 */
export function withEscalationChecks(definition: ResourceDefinition): ResourceDefinition {
  if (definition.group !== group) return definition;
  const isBinding = definition.resource.endsWith("rolebindings");
  const { prepare = {} } = definition;
  const guard = (object: RoleObject, old: RoleObject | undefined, context: HookContext): void => {
    if (context.user.groups.includes(mastersGroup)) return;
    if (isBinding) checkBinding(definition, object, old, context);
    else checkRole(definition, object, old, context);
  };
  return defineResource({
    ...definition,
    prepare: {
      create(object, context) {
        prepare.create?.(object, context);
        guard(object as RoleObject, undefined, context);
      },
      update(object, old, context) {
        prepare.update?.(object, old, context);
        guard(object as RoleObject, old, context);
      },
    },
  });
}

function checkRole(definition: ResourceDefinition, role: RoleObject, old: RoleObject | undefined, context: HookContext): void {
  if (old !== undefined && isDeepStrictEqual(role.rules, old.rules) && isDeepStrictEqual(role.aggregationRule, old.aggregationRule)) return;
  if (may(context, "escalate", definition.resource, role)) return;
  // a role that takes up others grows with them
  refuseUnheld(definition, role, context, role.aggregationRule === undefined ? (role.rules ?? []) : everything);
}

function checkBinding(definition: ResourceDefinition, binding: RoleObject, old: RoleObject | undefined, context: HookContext): void {
  if (old !== undefined && isDeepStrictEqual(binding.subjects, old.subjects) && isDeepStrictEqual(binding.roleRef, old.roleRef)) return;
  const { kind = "", name = "" } = binding.roleRef ?? {};
  const resource = kind === "ClusterRole" ? "clusterroles" : "roles";
  const { namespace = "" } = binding.metadata;
  const key = { namespace: resource === "roles" ? namespace : "", name };
  if (may(context, "bind", resource, { metadata: { ...binding.metadata, name } })) return;
  const role = context.get({ group, resource }, key) as RoleObject | undefined;
  // somebody could make it later, with rules that the binder does not hold
  if (role === undefined) throw notFound({ group, resource }, name);
  refuseUnheld(definition, binding, context, role.aggregationRule === undefined ? (role.rules ?? []) : everything);
}

function may(context: HookContext, verb: string, resource: string, { metadata }: KubeObject): boolean {
  const { name = "", namespace = "" } = metadata;
  const decision = rbacAuthorizer(context).authorize({
    user: context.user,
    verb,
    resource: { group, version: "v1", resource, subresource: "", namespace, name },
  });
  return "allowed" in decision && decision.allowed;
}

function refuseUnheld(definition: ResourceDefinition, object: RoleObject, context: HookContext, wanted: readonly PolicyRule[]): void {
  const { namespace = "", name = "" } = object.metadata;
  if (wanted.reduce((sum, rule) => sum + countOfSingles(rule), 0) > mostSingles)
    throw forbidden(
      definition,
      name,
      `its rules come to more than ${mostSingles} single permissions, which only who may escalate can write`,
    );
  const held = rbacAuthorizer(context).rulesFor?.(context.user, namespace) ?? [];
  const missing = wanted.flatMap(singles).filter((single) => !held.some((rule) => covers(rule, single)));
  if (missing.length === 0) return;
  const { username, groups } = context.user;
  const who = `user ${JSON.stringify(username)} (groups=${JSON.stringify(groups)})`;
  throw forbidden(
    definition,
    name,
    `${who} is attempting to grant RBAC permissions not currently held:\n${missing.slice(0, 20).map(ruleText).join("\n")}`,
  );
}

/** As many single permissions are held against those of the user: lists of a few hundred names each in one rule would come to billions. */
const mostSingles = 5_000;

function countOfSingles({ verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): number {
  return verbs.length * (apiGroups.length * resources.length * Math.max(1, resourceNames.length) + nonResourceURLs.length);
}

/** Rules of one verb on one thing each, which together allow the same. */
function singles({ verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule): PolicyRule[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const onResources = verbs.flatMap((verb) =>
    apiGroups.flatMap((apiGroup) =>
      resources.flatMap((resource) =>
        names.map((name) => ({
          verbs: [verb],
          apiGroups: [apiGroup],
          resources: [resource],
          ...(name === undefined ? {} : { resourceNames: [name] }),
        })),
      ),
    ),
  );
  return [...onResources, ...verbs.flatMap((verb) => nonResourceURLs.map((url) => ({ verbs: [verb], nonResourceURLs: [url] })))];
}

function covers(rule: PolicyRule, single: PolicyRule): boolean {
  const has = (values: readonly string[] | undefined, value: string | undefined): boolean =>
    value !== undefined && values !== undefined && (values.includes("*") || values.includes(value));
  if (!has(rule.verbs, single.verbs[0])) return false;
  const [url] = single.nonResourceURLs ?? [];
  if (url !== undefined)
    return (
      rule.nonResourceURLs?.some((pattern) => pattern === url || (pattern.endsWith("*") && url.startsWith(pattern.slice(0, -1)))) ?? false
    );
  const [resource = ""] = single.resources ?? [];
  const [, subresource] = resource.split("/");
  const named = rule.resourceNames ?? [];
  return (
    has(rule.apiGroups, single.apiGroups?.[0]) &&
    (has(rule.resources, resource) || (subresource !== undefined && (rule.resources?.includes(`*/${subresource}`) ?? false))) &&
    (named.length === 0 || named.includes(single.resourceNames?.[0] ?? ""))
  );
}

function ruleText({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): string {
  const fields = {
    APIGroups: apiGroups,
    Resources: resources,
    ResourceNames: resourceNames,
    NonResourceURLs: nonResourceURLs,
    Verbs: verbs,
  };
  const shown = Object.entries(fields).filter(([, values]) => values !== undefined);
  return `{${shown.map(([name, values]) => `${name}:${JSON.stringify(values)}`).join(", ")}}`;
}
