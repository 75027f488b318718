/** A webhook of this controller: for which objects of which operations the Kubernetes API asks which path. */
export interface Webhook {
  readonly name: string;
  readonly path: string;
  readonly group: string;
  readonly versions: readonly string[];
  readonly resource: string;
  readonly scope: "Cluster" | "Namespaced";
  readonly operations: readonly ("CREATE" | "UPDATE" | "DELETE")[];
}

const antrea = { group: "crd.antrea.io", versions: ["v1beta1"] } as const;
const writes = ["CREATE", "UPDATE"] as const;

export const mutatingWebhooks: readonly Webhook[] = [
  {
    ...antrea,
    name: "acnpmutator.antrea.io",
    path: "/mutate/acnp",
    resource: "clusternetworkpolicies",
    scope: "Cluster",
    operations: writes,
  },
  { ...antrea, name: "annpmutator.antrea.io", path: "/mutate/annp", resource: "networkpolicies", scope: "Namespaced", operations: writes },
];

export const validatingWebhooks: readonly Webhook[] = [
  {
    ...antrea,
    name: "tiervalidator.antrea.io",
    path: "/validate/tier",
    resource: "tiers",
    scope: "Cluster",
    operations: [...writes, "DELETE"],
  },
  {
    ...antrea,
    name: "acnpvalidator.antrea.io",
    path: "/validate/acnp",
    resource: "clusternetworkpolicies",
    scope: "Cluster",
    operations: writes,
  },
  {
    ...antrea,
    name: "annpvalidator.antrea.io",
    path: "/validate/annp",
    resource: "networkpolicies",
    scope: "Namespaced",
    operations: writes,
  },
  {
    ...antrea,
    name: "clustergroupvalidator.antrea.io",
    path: "/validate/clustergroup",
    resource: "clustergroups",
    scope: "Cluster",
    operations: writes,
  },
  { ...antrea, name: "groupvalidator.antrea.io", path: "/validate/group", resource: "groups", scope: "Namespaced", operations: writes },
  {
    group: "policy.networking.k8s.io",
    versions: ["v1alpha2"],
    name: "cnpvalidator.antrea.io",
    path: "/validate/cnp",
    resource: "clusternetworkpolicies",
    scope: "Cluster",
    operations: ["CREATE"],
  },
];

/** Paths that the Kubernetes API asks without saying who it is. What they tell is in the request already. */
export const webhookPaths: ReadonlySet<string> = new Set([
  ...[...mutatingWebhooks, ...validatingWebhooks].map(({ path }) => path),
  "/mutate/anp",
  "/mutate/namespace",
]);

/** How long the Kubernetes API waits for an answer. */
const timeoutSeconds = 1;

/** The configuration object of `kind` as it is applied. Without an answer of ours nothing is written: what is not checked is not enforced as meant. */
export function webhookConfiguration(options: {
  readonly kind: "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration";
  readonly name: string;
  readonly webhooks: readonly Webhook[];
  readonly service: { readonly name: string; readonly namespace: string };
}) {
  const { kind, name, webhooks, service } = options;
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind,
    metadata: { name, labels: { app: "antrea", "served-by": "antrea-controller" } },
    webhooks: webhooks.map((webhook) => ({
      name: webhook.name,
      clientConfig: { service: { ...service, path: webhook.path } },
      rules: [
        {
          operations: webhook.operations,
          apiGroups: [webhook.group],
          apiVersions: webhook.versions,
          resources: [webhook.resource],
          scope: webhook.scope,
        },
      ],
      admissionReviewVersions: ["v1", "v1beta1"],
      sideEffects: "None",
      failurePolicy: "Fail",
      timeoutSeconds,
    })),
  };
}
