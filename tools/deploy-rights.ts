import { servedGroupVersions } from "../src/controller/served.ts";
import { statsResources } from "../src/controller/statistics/definitions.ts";

/** Kubernetes' PolicyRule (rbac.authorization.k8s.io/v1). */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

/** The configurations of webhooks that controllers keep, by name. */
export const webhookConfigurations = { mutating: "crdmutator.antrea.io", validating: "crdvalidator.antrea.io" } as const;

const read = ["get", "list", "watch"];
const apiServiceNames = servedGroupVersions.map(({ group, version }) => `${version}.${group}`);

/** Whoever serves an API asks Kubernetes who a caller is and what he may do. */
const delegation: readonly Rule[] = [
  { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
  { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
];

/** Cluster-wide rights: nothing that the programs do not use. */
export const clusterRoles: Readonly<Record<string, readonly Rule[]>> = {
  "antrea-agent": [
    { apiGroups: [""], resources: ["nodes"], verbs: [...read, "patch"] },
    { apiGroups: [""], resources: ["pods", "namespaces", "services"], verbs: read },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
    {
      apiGroups: ["controlplane.antrea.io"],
      resources: ["networkpolicies", "addressgroups", "appliedtogroups", "egressgroups", "supportbundlecollections"],
      verbs: read,
    },
    { apiGroups: ["crd.antrea.io"], resources: ["antreaagentinfos"], verbs: ["get", "update", "patch"] },
    // What a policy denies is told the owner of the pod, where the namespace asks for it.
    { apiGroups: [""], resources: ["events"], verbs: ["create"] },
    { apiGroups: ["controlplane.antrea.io"], resources: ["networkpolicies/status", "nodestatssummaries"], verbs: ["create"] },
    ...delegation,
  ],
  "antrea-controller": [
    { apiGroups: [""], resources: ["namespaces", "nodes", "pods", "services"], verbs: read },
    {
      apiGroups: ["crd.antrea.io"],
      resources: ["tiers", "clustergroups", "groups", "clusternetworkpolicies", "networkpolicies", "externalentities"],
      verbs: read,
    },
    // The tiers that are always there are the controller's to make and keep; it tells how far policies and groups are realized.
    { apiGroups: ["crd.antrea.io"], resources: ["tiers"], verbs: ["create", "update"] },
    // An ExternalNode is known to policies by an ExternalEntity that the controller makes of it.
    { apiGroups: ["crd.antrea.io"], resources: ["externalnodes"], verbs: ["list", "watch"] },
    { apiGroups: ["crd.antrea.io"], resources: ["externalentities"], verbs: ["create", "update", "delete"] },
    {
      apiGroups: ["crd.antrea.io"],
      resources: ["clusternetworkpolicies/status", "networkpolicies/status", "clustergroups/status", "groups/status"],
      verbs: ["update", "patch"],
    },
    {
      apiGroups: ["policy.networking.k8s.io"],
      resources: ["clusternetworkpolicies/status", "adminnetworkpolicies/status", "baselineadminnetworkpolicies/status"],
      verbs: ["patch"],
    },
    {
      apiGroups: ["policy.networking.k8s.io"],
      resources: ["clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"],
      verbs: read,
    },
    { apiGroups: ["crd.antrea.io"], resources: ["antreaagentinfos"], verbs: ["list", "create", "delete"] },
    { apiGroups: ["crd.antrea.io"], resources: ["antreacontrollerinfos"], verbs: ["create", "patch"] },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: read },
    {
      apiGroups: ["admissionregistration.k8s.io"],
      resources: ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
      verbs: ["list", "watch"],
    },
    {
      apiGroups: ["admissionregistration.k8s.io"],
      resources: ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
      resourceNames: Object.values(webhookConfigurations),
      verbs: ["patch"],
    },
    { apiGroups: ["apiregistration.k8s.io"], resources: ["apiservices"], verbs: ["list", "watch"] },
    { apiGroups: ["apiregistration.k8s.io"], resources: ["apiservices"], resourceNames: apiServiceNames, verbs: ["patch"] },
    // What agents told one controller the others ask it for; they find each other by the endpoints of Service antrea.
    { apiGroups: ["controlplane.antrea.io"], resources: ["nodereports"], verbs: ["list"] },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
    ...delegation,
  ],
  antctl: [
    { apiGroups: ["controlplane.antrea.io"], resources: ["networkpolicies", "addressgroups", "appliedtogroups"], verbs: ["get", "list"] },
    { apiGroups: ["controlplane.antrea.io"], resources: ["networkpolicyevaluation"], verbs: ["create"] },
    // How far a policy is enforced, and which generation of it is the present one.
    { apiGroups: ["controlplane.antrea.io"], resources: ["networkpolicies/status"], verbs: ["get"] },
    { apiGroups: ["crd.antrea.io"], resources: ["clusternetworkpolicies", "networkpolicies"], verbs: ["get"] },
    { apiGroups: ["networking.k8s.io"], resources: ["networkpolicies"], verbs: ["get"] },
    { apiGroups: ["policy.networking.k8s.io"], resources: ["clusternetworkpolicies"], verbs: ["get"] },
    { apiGroups: ["system.antrea.io"], resources: ["controllerinfos"], verbs: ["get", "list"] },
    { apiGroups: ["stats.antrea.io"], resources: statsResources, verbs: ["get", "list"] },
    { nonResourceURLs: ["/featuregates", "/loglevel", "/endpoint", "/version", "/metrics"], verbs: ["get"] },
  ],
};

/**
 * Rights inside the namespace. `create` cannot be limited by name, and whoever may create Secrets in kube-system may have the token of any of its
 * accounts: Secret `antrea-ca` is part of the manifest, empty, and filled by the first controller.
 */
export const roles: Readonly<Record<string, readonly Rule[]>> = {
  "antrea-agent": [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["antrea-ca"], verbs: read }],
  "antrea-controller": [
    { apiGroups: [""], resources: ["configmaps"], verbs: ["create"] },
    { apiGroups: [""], resources: ["configmaps"], resourceNames: ["antrea-ca"], verbs: [...read, "update", "patch"] },
    { apiGroups: [""], resources: ["configmaps"], resourceNames: ["antrea-config"], verbs: ["get"] },
    { apiGroups: [""], resources: ["secrets"], resourceNames: ["antrea-ca"], verbs: ["list", "watch", "update"] },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: ["antrea-controller"], verbs: ["get", "update"] },
  ],
};

/**
 * What the agent of antrea (Go, 2.7) needs beyond ours, under the account that both have: it does not start without `nodes/status`. For the time in which it is
 * replaced node by node.
 */
export const rightsOfGoAgents: readonly Rule[] = [
  { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
  { apiGroups: [""], resources: ["pods/status"], verbs: ["patch", "update"] },
  { apiGroups: [""], resources: ["endpoints"], verbs: read },
  { apiGroups: [""], resources: ["configmaps"], resourceNames: ["antrea-ca", "extension-apiserver-authentication"], verbs: read },
  {
    apiGroups: ["crd.antrea.io"],
    resources: [
      "antreanodeconfigs",
      "bgppolicies",
      "egresses",
      "externalippools",
      "flowexporterdestinations",
      "ippools",
      "nodelatencymonitors",
      "packetcaptures",
      "trafficcontrols",
    ],
    verbs: read,
  },
  { apiGroups: ["crd.antrea.io"], resources: ["egresses/status", "ippools/status", "packetcaptures/status"], verbs: ["update"] },
  { apiGroups: ["crd.antrea.io"], resources: ["traceflows", "traceflows/status"], verbs: [...read, "create", "update", "patch", "delete"] },
  { apiGroups: ["controlplane.antrea.io"], resources: ["networkpolicies/status"], verbs: ["create", "get"] },
  { apiGroups: ["controlplane.antrea.io"], resources: ["supportbundlecollections/status"], verbs: ["create"] },
  { apiGroups: ["stats.antrea.io"], resources: ["nodelatencystats"], verbs: ["create"] },
  { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch", "update"] },
];
