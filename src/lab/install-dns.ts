import { tryParsePrefix } from "#lib/ip/index.ts";

import { apiVersionOf, type KubeObject, type Resource } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { adminClient } from "./admin-client.ts";
import { creatorOfMissing } from "./create-missing.ts";
import { corednsReference } from "./images/coredns/image.ts";
import type { LabPaths } from "./paths.ts";
import type { LabSpec } from "./spec.ts";

/** The names below which everything of the cluster is. */
export const clusterDomain = "cluster.local";

/** The Service address that pods' name servers have in every cluster of kubeadm's: the tenth of the range. */
const serviceHost = 10n;

/** Where pods find the cluster's name server, one address per family; none where the lab has no such server. */
export function clusterDnsAddresses({ clusterDns, serviceCidrs }: Pick<LabSpec, "clusterDns" | "serviceCidrs">): readonly string[] {
  if (clusterDns !== true) return [];
  return serviceCidrs.flatMap((cidr) => tryParsePrefix(cidr)?.address.plus(serviceHost).toString() ?? []);
}

type Placed = readonly [resource: Resource<KubeObject>, content: Pick<KubeObject, "metadata"> & Readonly<Record<string, unknown>>];

/** Applies the cluster's name server, a Deployment as clusters have it: policies that let pods ask `k8s-app: kube-dns` mean it. */
export async function installDns({
  runtime,
  paths,
  spec,
  signal,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}): Promise<void> {
  const client = adminClient(paths);
  const createMissing = creatorOfMissing({ runtime, client, signal });
  try {
    for (const [resource, content] of dnsObjects(spec))
      await createMissing(resource, { apiVersion: apiVersionOf(resource), kind: resource.kind, ...content });
  } finally {
    client.close();
  }
}

const namespace = "kube-system";
const labels = { "k8s-app": "kube-dns" };
/** Names outside of the cluster, as users write them: `kubectl edit configmap -n kube-system lab-zone`. */
const zoneName = "lab-zone";
const rbac = "rbac.authorization.k8s.io";

const resource = (group: string, plural: string, kind: string, namespaced = true): Resource<KubeObject> => ({
  group,
  version: "v1",
  plural,
  kind,
  namespaced,
});

function dnsObjects(spec: LabSpec): readonly Placed[] {
  const addresses = clusterDnsAddresses(spec);
  const named = (name: string) => ({ name, namespace, labels });
  const port = (name: string, protocol: "UDP" | "TCP") => ({ name, protocol, port: 53, targetPort: 53 });
  return [
    [resource("", "serviceaccounts", "ServiceAccount"), { metadata: named("coredns") }],
    [
      resource(rbac, "clusterroles", "ClusterRole", false),
      {
        metadata: { name: "system:coredns" },
        rules: [
          { apiGroups: [""], resources: ["services", "namespaces"], verbs: ["list", "watch"] },
          { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
        ],
      },
    ],
    [
      resource(rbac, "clusterrolebindings", "ClusterRoleBinding", false),
      {
        metadata: { name: "system:coredns" },
        roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "system:coredns" },
        subjects: [{ kind: "ServiceAccount", name: "coredns", namespace }],
      },
    ],
    [
      resource("", "configmaps", "ConfigMap"),
      { metadata: named(zoneName), data: { zone: "; NAME A|AAAA|CNAME|TXT DATA: names outside of the cluster\n" } },
    ],
    [
      resource("", "services", "Service"),
      {
        metadata: { ...named("kube-dns"), labels: { ...labels, "kubernetes.io/name": "CoreDNS" } },
        spec: {
          selector: labels,
          clusterIP: addresses[0],
          clusterIPs: addresses,
          ipFamilyPolicy: addresses.length > 1 ? "PreferDualStack" : "SingleStack",
          ports: [port("dns", "UDP"), port("dns-tcp", "TCP")],
        },
      },
    ],
    [resource("apps", "deployments", "Deployment"), { metadata: named("coredns"), spec: deployment(spec) }],
  ];
}

function deployment({ uplink }: LabSpec) {
  return {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        serviceAccountName: "coredns",
        // The node's servers, for names outside: of use where pods reach what this machine reaches.
        dnsPolicy: "Default",
        nodeSelector: { "kubernetes.io/os": "linux" },
        tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
        containers: [
          {
            name: "coredns",
            image: corednsReference,
            args: [`--domain=${clusterDomain}`, "--zone-file=/etc/lab-zone/zone", ...(uplink ? ["--forward"] : [])],
            ports: [
              { name: "dns", containerPort: 53, protocol: "UDP" },
              { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
            ],
            readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
            livenessProbe: { httpGet: { path: "/health", port: 8080 }, initialDelaySeconds: 10, timeoutSeconds: 5, failureThreshold: 5 },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] } },
            volumeMounts: [{ name: "zone", mountPath: "/etc/lab-zone", readOnly: true }],
          },
        ],
        volumes: [{ name: "zone", configMap: { name: zoneName } }],
      },
    },
  };
}
