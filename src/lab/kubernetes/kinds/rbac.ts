import { list, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { type FieldError, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import { labelSelector } from "#lib/apiserver/openapi/meta.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn, ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { kind } from "./kind.ts";
import { checkUnchanged } from "./rules.ts";

const rbac = "io.k8s.api.rbac.v1";
const group = "rbac.authorization.k8s.io";

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[] | null;
  readonly aggregationRule?: unknown;
}

export interface Subject {
  readonly kind: string;
  readonly apiGroup?: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface RoleBinding extends KubeObject {
  readonly subjects?: readonly Subject[];
  readonly roleRef: { readonly apiGroup?: string; readonly kind: string; readonly name: string };
}

const ofGroup = <Kind extends KubeObject>(plural: string, name: string, namespaced: boolean): Resource<Kind> => ({
  group,
  version: "v1",
  plural,
  kind: name,
  namespaced,
});

export const roles = ofGroup<Role>("roles", "Role", true);
export const clusterRoles = ofGroup<Role>("clusterroles", "ClusterRole", false);
export const roleBindings = ofGroup<RoleBinding>("rolebindings", "RoleBinding", true);
export const clusterRoleBindings = ofGroup<RoleBinding>("clusterrolebindings", "ClusterRoleBinding", false);

const texts = (of: string, description: string) => list(string(of), description);

const rule = part(
  `${rbac}.PolicyRule`,
  "Allows verbs on resources or paths.",
  {
    verbs: texts("A verb.", "get, list, watch, create, update, patch, delete, deletecollection; * is all."),
    apiGroups: texts("An API group.", 'API groups; "" is the core group, * is all.'),
    resources: texts("A resource.", "Resources, such as pods or pods/log; * is all."),
    resourceNames: texts("A name.", "Names of objects; empty is all."),
    nonResourceURLs: texts("A path.", "Paths that are no resources; only in ClusterRoles."),
  },
  ["verbs"],
);

const subject = part(
  `${rbac}.Subject`,
  "Who gets the role.",
  {
    kind: string("User, Group or ServiceAccount."),
    apiGroup: string("rbac.authorization.k8s.io for users and groups."),
    name: string("Name."),
    namespace: string("Namespace of the service account."),
  },
  ["kind", "name"],
);

const roleRef = part(
  `${rbac}.RoleRef`,
  "Which role. Cannot change.",
  { apiGroup: string("rbac.authorization.k8s.io."), kind: string("Role or ClusterRole."), name: string("Name of the role.") },
  ["kind", "name"],
);

const aggregationRule = part(`${rbac}.AggregationRule`, "Collects the rules of other roles.", {
  clusterRoleSelectors: list(use(labelSelector, "Roles to collect."), "Roles to collect."),
});

function roleDefinition(resource: Resource<Role>, description: string): ResourceDefinition {
  return kind<Role>({
    resource,
    package: rbac,
    description,
    fields: {
      rules: { ...list(rule, "What is allowed."), nullable: true },
      ...(resource.namespaced ? {} : { aggregationRule }),
    },
    nameRule: "path-segment",
    columns: [
      nameColumn,
      {
        name: "Created At",
        type: "string",
        description: "When it was created.",
        value: ({ metadata }) => metadata.creationTimestamp ?? "",
      },
    ],
    validate: ({ rules }) => (rules ?? []).flatMap((one, index) => checkRule(`rules[${index}]`, one, resource.namespaced)),
  });
}

function checkRule(
  path: string,
  { verbs = [], apiGroups = [], resources = [], nonResourceURLs = [] }: PolicyRule,
  namespaced: boolean,
): FieldError[] {
  const noVerbs = verbs.length === 0 ? [required(`${path}.verbs`, "verbs must contain at least one value")] : [];
  if (nonResourceURLs.length > 0) {
    if (namespaced)
      return [...noVerbs, invalid(`${path}.nonResourceURLs`, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs")];
    return apiGroups.length + resources.length > 0
      ? [
          ...noVerbs,
          invalid(`${path}.nonResourceURLs`, nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs"),
        ]
      : noVerbs;
  }
  return [
    ...noVerbs,
    ...(apiGroups.length === 0 ? [required(`${path}.apiGroups`, "resource rules must supply at least one api group")] : []),
    ...(resources.length === 0 ? [required(`${path}.resources`, "resource rules must supply at least one resource")] : []),
  ];
}

function bindingDefinition(resource: Resource<RoleBinding>, description: string): ResourceDefinition {
  const allowed = resource.namespaced ? ["ClusterRole", "Role"] : ["ClusterRole"];
  return kind<RoleBinding>({
    resource,
    package: rbac,
    description,
    fields: { subjects: list(subject, "Who gets the role."), roleRef },
    required: ["roleRef"],
    nameRule: "path-segment",
    columns: bindingColumns,
    defaults(binding) {
      if (binding.roleRef) binding.roleRef.apiGroup ||= group;
      for (const one of binding.subjects ?? []) if (one.kind !== "ServiceAccount") one.apiGroup ||= group;
    },
    validate: ({ subjects = [], roleRef: reference }, _context, old) => [
      ...(allowed.includes(reference.kind) ? [] : [notSupported("roleRef.kind", reference.kind, allowed)]),
      ...(reference.name ? [] : [required("roleRef.name")]),
      ...subjects.flatMap((one, index) => checkSubject(`subjects[${index}]`, one)),
      ...(old === undefined ? [] : checkUnchanged("roleRef", reference, old.roleRef)),
    ],
  });
}

function checkSubject(path: string, { kind: name, name: subjectName, namespace }: Subject): FieldError[] {
  const kinds = ["Group", "ServiceAccount", "User"];
  return [
    ...(kinds.includes(name) ? [] : [notSupported(`${path}.kind`, name, kinds)]),
    ...(subjectName ? [] : [required(`${path}.name`)]),
    ...(name === "ServiceAccount" && !namespace ? [required(`${path}.namespace`)] : []),
  ];
}

const named =
  (wanted: string) =>
  ({ subjects = [] }: RoleBinding): string =>
    subjects
      .filter((one) => one.kind === wanted)
      .map(({ name, namespace }) => (wanted === "ServiceAccount" ? `${namespace}/${name}` : name))
      .join(", ");

const bindingColumns: readonly PrinterColumn<RoleBinding>[] = [
  nameColumn,
  { name: "Role", type: "string", description: "Which role.", value: ({ roleRef: reference }) => `${reference.kind}/${reference.name}` },
  ageColumn,
  { name: "Users", type: "string", priority: 1, description: "Users that get it.", value: named("User") },
  { name: "Groups", type: "string", priority: 1, description: "Groups that get it.", value: named("Group") },
  { name: "ServiceAccounts", type: "string", priority: 1, description: "Service accounts that get it.", value: named("ServiceAccount") },
];

/** Role, ClusterRole, RoleBinding, ClusterRoleBinding. */
export const rbacDefinitions: readonly ResourceDefinition[] = [
  roleDefinition(roles, "Permissions within a namespace."),
  roleDefinition(clusterRoles, "Permissions in the whole cluster, or for bindings of any namespace."),
  bindingDefinition(roleBindings, "Gives a role to users within a namespace."),
  bindingDefinition(clusterRoleBindings, "Gives a role to users in the whole cluster."),
];
