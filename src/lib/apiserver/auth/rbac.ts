import { selectorMatches } from "#lib/kube/selectors.ts";
import type { KubeObject, LabelSelector } from "#lib/kube/types.ts";
import type { Lookup } from "../resource.ts";
import type { UserInfo } from "../user.ts";
import type { AccessAttributes, Authorizer } from "./authorizer.ts";

/** `rbac.authorization.k8s.io/v1 PolicyRule`. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null;
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly LabelSelector[] };
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

interface Binding extends KubeObject {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly Subject[] | null;
}

const rbac = (resource: string) => ({ group: "rbac.authorization.k8s.io", resource });

/** The rules of a user, and where each comes from. */
interface GrantedRule {
  readonly rule: PolicyRule;
  readonly source: string;
}

/** Roles and bindings of the cluster, as they stand at each request. */
export function rbacAuthorizer(lookup: Lookup): Authorizer {
  return {
    authorize(attributes) {
      const namespace = attributes.resource?.namespace ?? "";
      for (const { rule, source } of rulesOf(lookup, attributes.user, namespace))
        if (allows(rule, attributes)) return { allowed: true, reason: `RBAC: allowed by ${source}` };
      return { allowed: false, reason: "" };
    },
    rulesFor: (user, namespace) => [...rulesOf(lookup, user, namespace)].map(({ rule }) => rule),
  };
}

function* rulesOf(lookup: Lookup, user: UserInfo, namespace: string): Iterable<GrantedRule> {
  for (const object of lookup.list(rbac("clusterrolebindings"))) {
    const binding = object as Binding;
    if (!binding.subjects?.some((subject) => isSubject(subject, user, ""))) continue;
    const source = `ClusterRoleBinding "${binding.metadata.name}" of ClusterRole "${binding.roleRef.name}"`;
    for (const rule of clusterRoleRules(lookup, binding.roleRef.name)) yield { rule, source };
  }
  if (namespace === "") return;
  for (const object of lookup.list(rbac("rolebindings"), namespace)) {
    const binding = object as Binding;
    if (!binding.subjects?.some((subject) => isSubject(subject, user, namespace))) continue;
    const { kind, name } = binding.roleRef;
    const source = `RoleBinding "${binding.metadata.name}/${namespace}" of ${kind} "${name}"`;
    const rules = kind === "ClusterRole" ? clusterRoleRules(lookup, name) : ownRules(lookup.get(rbac("roles"), { namespace, name }));
    for (const rule of rules) yield { rule, source };
  }
}

const ownRules = (role: KubeObject | undefined): readonly PolicyRule[] => (role as Role | undefined)?.rules ?? [];

/** With the rules of the roles it aggregates. Evaluated here, as no controller writes them into the role. */
function* clusterRoleRules(lookup: Lookup, name: string): Iterable<PolicyRule> {
  const role = lookup.get(rbac("clusterroles"), { namespace: "", name }) as Role | undefined;
  yield* ownRules(role);
  const selectors = role?.aggregationRule?.clusterRoleSelectors ?? [];
  if (selectors.length === 0) return;
  for (const other of lookup.list(rbac("clusterroles")))
    if (selectors.some((selector) => selectorMatches(selector, other.metadata.labels))) yield* ownRules(other);
}

function isSubject({ kind, name, namespace }: Subject, user: UserInfo, bindingNamespace: string): boolean {
  switch (kind) {
    case "User":
      return name === user.username;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount":
      return user.username === `system:serviceaccount:${namespace ?? bindingNamespace}:${name}`;
    default:
      return false;
  }
}

function allows(rule: PolicyRule, { verb, resource, path }: AccessAttributes): boolean {
  if (!includes(rule.verbs, verb)) return false;
  if (resource === undefined) return rule.nonResourceURLs?.some((pattern) => matchesPath(pattern, path ?? "")) ?? false;
  const { group, subresource, name } = resource;
  const combined = subresource === "" ? resource.resource : `${resource.resource}/${subresource}`;
  const names = rule.resourceNames ?? [];
  return (
    includes(rule.apiGroups, group) &&
    (includes(rule.resources, combined) || (subresource !== "" && (rule.resources?.includes(`*/${subresource}`) ?? false))) &&
    (names.length === 0 || (name !== "" && names.includes(name)))
  );
}

const includes = (list: readonly string[] | undefined, value: string): boolean =>
  list !== undefined && (list.includes("*") || list.includes(value));

const matchesPath = (pattern: string, path: string): boolean =>
  pattern === "*" || pattern === path || (pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1)));
