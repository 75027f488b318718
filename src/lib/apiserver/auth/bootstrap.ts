import type { KubeObject } from "#lib/kube/types.ts";
import { StatusError } from "../errors.ts";
import type { ObjectStore } from "../object-store.ts";
import type { ResourceRef } from "../resource.ts";
import { authenticatedGroup, mastersGroup } from "../user.ts";
import type { PolicyRule, Subject } from "./rbac.ts";

const rbacApi = "rbac.authorization.k8s.io";

/** An object that a new cluster starts with. */
export interface BootstrapObject {
  readonly resource: ResourceRef;
  readonly object: KubeObject;
}

const labels = { "kubernetes.io/bootstrapping": "rbac-defaults" };

const clusterRole = (name: string, rules: readonly PolicyRule[]): BootstrapObject => ({
  resource: { group: rbacApi, resource: "clusterroles" },
  object: { metadata: { name, labels }, rules } as KubeObject,
});

const clusterRoleBinding = (role: string, groups: readonly string[]): BootstrapObject => ({
  resource: { group: rbacApi, resource: "clusterrolebindings" },
  object: {
    metadata: { name: role, labels },
    roleRef: { apiGroup: rbacApi, kind: "ClusterRole", name: role },
    subjects: groups.map((name): Subject & { apiGroup: string } => ({ apiGroup: rbacApi, kind: "Group", name })),
  } as KubeObject,
});

const namespace = (name: string): BootstrapObject => ({
  resource: { group: "", resource: "namespaces" },
  object: { metadata: { name } },
});

const read = ["get", "list", "watch"];
const write = ["create", "delete", "deletecollection", "patch", "update"];

const workloads: readonly PolicyRule[] = [
  {
    verbs: read,
    apiGroups: [""],
    resources: ["pods", "pods/log", "pods/status", "services", "configmaps", "events", "serviceaccounts", "persistentvolumeclaims"],
  },
  { verbs: read, apiGroups: [""], resources: ["endpoints", "namespaces", "resourcequotas", "limitranges"] },
  { verbs: read, apiGroups: ["apps", "batch", "discovery.k8s.io", "networking.k8s.io", "policy"], resources: ["*"] },
];

const workloadChanges: readonly PolicyRule[] = [
  {
    verbs: write,
    apiGroups: [""],
    resources: ["pods", "services", "configmaps", "serviceaccounts", "endpoints", "persistentvolumeclaims"],
  },
  { verbs: [...read, ...write], apiGroups: [""], resources: ["secrets", "pods/exec", "pods/attach", "pods/portforward", "pods/eviction"] },
  { verbs: ["create"], apiGroups: [""], resources: ["serviceaccounts/token"] },
  { verbs: write, apiGroups: ["apps", "batch", "discovery.k8s.io", "networking.k8s.io", "policy"], resources: ["*"] },
];

/** What the kubelets of the lab need. A real cluster confines each to its own node; here the group may act for all. */
const nodeRules: readonly PolicyRule[] = [
  { verbs: ["create", "get", "list", "watch", "patch", "update", "delete"], apiGroups: [""], resources: ["nodes", "nodes/status"] },
  { verbs: [...read, "delete", "patch", "update"], apiGroups: [""], resources: ["pods", "pods/status"] },
  { verbs: read, apiGroups: [""], resources: ["services", "configmaps", "secrets", "serviceaccounts", "namespaces"] },
  { verbs: ["create", "patch", "update"], apiGroups: ["", "events.k8s.io"], resources: ["events"] },
  { verbs: ["create"], apiGroups: [""], resources: ["serviceaccounts/token"] },
  { verbs: ["create", "get", "patch", "update", "delete"], apiGroups: ["coordination.k8s.io"], resources: ["leases"] },
  { verbs: ["create"], apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"] },
  { verbs: ["create"], apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"] },
  { verbs: ["create", ...read], apiGroups: ["certificates.k8s.io"], resources: ["certificatesigningrequests"] },
];

/** What bearers of the right may have certificates for, without anybody approving them: a new node's kubelet, or a node's own once more. */
const nodeCertificates = (name: string) =>
  clusterRole(`system:certificates.k8s.io:certificatesigningrequests:${name}`, [
    { verbs: ["create"], apiGroups: ["certificates.k8s.io"], resources: [`certificatesigningrequests/${name}`] },
  ]);

/** The system namespaces, and the roles that kubectl users and add-ons count on. */
export const bootstrapObjects: readonly BootstrapObject[] = [
  ...["default", "kube-system", "kube-public", "kube-node-lease"].map(namespace),
  clusterRole("cluster-admin", [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ]),
  clusterRoleBinding("cluster-admin", [mastersGroup]),
  clusterRole("admin", [
    ...workloads,
    ...workloadChanges,
    { verbs: [...read, ...write], apiGroups: [rbacApi], resources: ["roles", "rolebindings"] },
  ]),
  clusterRole("edit", [...workloads, ...workloadChanges]),
  clusterRole("view", workloads),
  clusterRole("system:discovery", [
    { verbs: ["get"], nonResourceURLs: ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version", "/version/"] },
  ]),
  clusterRoleBinding("system:discovery", [authenticatedGroup]),
  clusterRole("system:basic-user", [
    {
      verbs: ["create"],
      apiGroups: ["authorization.k8s.io"],
      resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    },
    { verbs: ["create"], apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"] },
  ]),
  clusterRoleBinding("system:basic-user", [authenticatedGroup]),
  clusterRole("system:service-account-issuer-discovery", [
    {
      verbs: ["get"],
      nonResourceURLs: ["/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"],
    },
  ]),
  clusterRoleBinding("system:service-account-issuer-discovery", ["system:serviceaccounts"]),
  clusterRole("system:auth-delegator", [
    { verbs: ["create"], apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"] },
    { verbs: ["create"], apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"] },
  ]),
  clusterRole("system:node-bootstrapper", [
    { verbs: ["create", ...read], apiGroups: ["certificates.k8s.io"], resources: ["certificatesigningrequests"] },
  ]),
  ...["nodeclient", "selfnodeclient"].map(nodeCertificates),
  clusterRole("system:node", nodeRules),
  clusterRoleBinding("system:node", ["system:nodes"]),
  {
    resource: { group: rbacApi, resource: "roles" },
    object: {
      metadata: { name: "extension-apiserver-authentication-reader", namespace: "kube-system", labels },
      rules: [
        { verbs: read, apiGroups: [""], resources: ["configmaps"], resourceNames: ["extension-apiserver-authentication"] },
      ] satisfies PolicyRule[],
    } as KubeObject,
  },
];

/** Creates what is missing, and leaves what exists as it is. */
export async function ensureObjects(objects: ObjectStore, wanted: readonly BootstrapObject[] = bootstrapObjects): Promise<void> {
  for (const { resource, object } of wanted) {
    const { namespace: within = "", name = "" } = object.metadata;
    if (objects.get(resource, { namespace: within, name }) !== undefined) continue;
    try {
      await objects.create(resource, object, asServer());
    } catch (error) {
      if (!(error instanceof StatusError && error.code === "AlreadyExists")) throw error;
    }
  }
}

/** The server acting for itself. */
export const asServer = () => ({
  user: { username: "system:apiserver", groups: [mastersGroup] },
  parameters: new URLSearchParams(),
  signal: new AbortController().signal,
  dryRun: false,
  warn: () => {},
});
