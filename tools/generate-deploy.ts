// Writes deploy/*.yml and the Helm chart deploy/chart from the programs' own declarations: configuration keys, API groups, names. `--check` only says whether it is current.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { componentInfoDefinitions } from "../src/core/api/component-info.ts";
import { customResourceDefinitions, upstreamDefinitions } from "../src/core/api/crd/index.ts";
import { agentKeys } from "../src/agent/config.ts";
import { controllerKeys } from "../src/controller/config.ts";
import { mutatingWebhooks, validatingWebhooks, webhookConfiguration } from "../src/controller/admission/webhooks.ts";
import { servedGroupVersions } from "../src/controller/served.ts";
import { printDefaults } from "../src/lib/config-file/index.ts";
import { chartFiles } from "./chart.ts";
import { clusterRoles, rightsOfGoAgents, roles, webhookConfigurations } from "./deploy-rights.ts";

const namespace = "kube-system";
const labels = { app: "antrea" };
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { readonly version: string };
const image = `antrea-ts:${version}`;

export type Manifest = Readonly<Record<string, unknown>> & { readonly kind: string; readonly metadata: { readonly name: string } };

const serviceAccounts = ["antrea-agent", "antrea-controller", "antctl"];

/** What the container runtime reads on each node. Chained plugins (portmap, bandwidth) are left to the administrator: none is shipped. */
const cniConfiguration = {
  cniVersion: "0.3.0",
  name: "antrea",
  plugins: [{ type: "antrea", ipam: { type: "host-local" } }],
};

/** The datapath that pods are switched by. `netdev` is for kernels without Open vSwitch: tunnels leave by `eth0`, which becomes part of the switch. */
export type Datapath = "system" | "netdev";

const agentSettings: Readonly<Record<Datapath, Readonly<Record<string, unknown>>>> = {
  system: {},
  netdev: { ovsDatapathType: "netdev", transportInterface: "br-phy" },
};

/** Every object, in an order in which each finds what it names. */
export function manifests(datapath: Datapath = "system"): readonly Manifest[] {
  return [
    ...componentInfoDefinitions.map(({ name, spec }) => object("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, { spec })),
    ...customResourceDefinitions,
    ...serviceAccounts.map((name) => object("v1", "ServiceAccount", name, {}, { namespaced: true })),
    ...Object.entries(clusterRoles).flatMap(([name, rules]) => [
      object(rbac, "ClusterRole", name, { rules }),
      object(rbac, "ClusterRoleBinding", name, { roleRef: roleRef("ClusterRole", name), subjects: [subject(name)] }),
    ]),
    ...Object.entries(roles).flatMap(([name, rules]) => [
      object(rbac, "Role", name, { rules }, { namespaced: true }),
      object(rbac, "RoleBinding", name, { roleRef: roleRef("Role", name), subjects: [subject(name)] }, { namespaced: true }),
    ]),
    // The authorities of client certificates and of the Kubernetes API's front proxy.
    object(
      rbac,
      "RoleBinding",
      "antrea-authentication-reader",
      {
        roleRef: roleRef("Role", "extension-apiserver-authentication-reader"),
        subjects: [subject("antrea-controller"), subject("antrea-agent")],
      },
      { namespaced: true },
    ),
    object(
      "v1",
      "ConfigMap",
      "antrea-config",
      {
        data: {
          "antrea-agent.conf": printDefaults(agentKeys, agentSettings[datapath]),
          "antrea-controller.conf": printDefaults(controllerKeys),
          "antrea-cni.conflist": `${JSON.stringify(cniConfiguration, undefined, 2)}\n`,
        },
      },
      { namespaced: true },
    ),
    object("v1", "Secret", "antrea-ca", { type: "Opaque" }, { namespaced: true }),
    object(
      "v1",
      "Service",
      "antrea",
      {
        spec: {
          ports: [{ port: 443, protocol: "TCP", targetPort: "api" }],
          selector: { ...labels, component: "antrea-controller" },
        },
      },
      { namespaced: true },
    ),
    webhookConfiguration({
      kind: "MutatingWebhookConfiguration",
      name: webhookConfigurations.mutating,
      webhooks: mutatingWebhooks,
      service: { name: "antrea", namespace },
    }),
    webhookConfiguration({
      kind: "ValidatingWebhookConfiguration",
      name: webhookConfigurations.validating,
      webhooks: validatingWebhooks,
      service: { name: "antrea", namespace },
    }),
    ...servedGroupVersions.map(({ group, version: served }) =>
      object(
        "apiregistration.k8s.io/v1",
        "APIService",
        `${served}.${group}`,
        { spec: { group, version: served, groupPriorityMinimum: 100, versionPriority: 100, service: { name: "antrea", namespace } } },
        { labels: { "served-by": "antrea-controller" } },
      ),
    ),
    controllerDeployment(),
    agentDaemonSet(datapath),
  ];
}

/** The file's text: one YAML document for each object. */
export function manifestText(datapath: Datapath = "system"): string {
  const head = [
    `# Antrea in TypeScript for any Kubernetes: kubectl apply -f deploy/${fileNames[datapath]}`,
    ...(datapath === "netdev"
      ? ["# For nodes whose kernel lacks Open vSwitch: the datapath is in user space, and tunnels leave by eth0."]
      : []),
    "# Made by tools/generate-deploy.ts from the programs' own declarations; change those and run it, not this file.",
    "",
  ].join("\n");
  return head + documents(manifests(datapath));
}

/** The kinds of policy.networking.k8s.io, for clusters that do not have them yet. */
export function upstreamText(): string {
  const head = [
    "# ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy of policy.networking.k8s.io: kubectl apply -f deploy/policy-networking-k8s-io.yml",
    "# Not for clusters that have these kinds already, from network-policy-api itself or from another network plugin.",
    "# Made by tools/generate-deploy.ts from src/core/api/crd/upstream.ts; change that and run it, not this file.",
    "",
  ].join("\n");
  return head + documents(upstreamDefinitions);
}

/** Rights for agents of antrea (Go) that are still there. */
export function besideGoText(): string {
  const name = "antrea-agent-of-go";
  const head = [
    "# Rights for agents of antrea (Go) beside our controller, until the last of them is replaced: docs/coming-from-antrea.md",
    "# Made by tools/generate-deploy.ts; change that and run it, not this file.",
    "",
  ].join("\n");
  return (
    head +
    documents([
      object(rbac, "ClusterRole", name, { rules: rightsOfGoAgents }),
      object(rbac, "ClusterRoleBinding", name, { roleRef: roleRef("ClusterRole", name), subjects: [subject("antrea-agent")] }),
    ])
  );
}

/** The Helm chart's files, by path. */
export const deployedChart = (): ReadonlyMap<string, string> => chartFiles({ manifests, agentSettings, image, version });

const documents = (objects: readonly object[]): string =>
  objects.map((each) => `---\n${stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })}`).join("");

const fileNames: Readonly<Record<Datapath, string>> = { system: "antrea.yml", netdev: "antrea-netdev.yml" };

const upstreamFile = "policy-networking-k8s-io.yml";
const besideGoFile = "beside-antrea-go.yml";

const rbac = "rbac.authorization.k8s.io/v1";

function object(
  apiVersion: string,
  kind: string,
  name: string,
  content: Readonly<Record<string, unknown>>,
  options: { readonly namespaced?: boolean; readonly labels?: Readonly<Record<string, string>> } = {},
): Manifest {
  const metadata = { name, ...(options.namespaced && { namespace }), labels: { ...labels, ...options.labels } };
  return { apiVersion, kind, metadata, ...content };
}

const roleRef = (kind: "Role" | "ClusterRole", name: string) => ({ apiGroup: "rbac.authorization.k8s.io", kind, name });
const subject = (name: string) => ({ kind: "ServiceAccount", name, namespace });

function environment(serviceAccount: string) {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  return [
    field("POD_NAME", "metadata.name"),
    field("POD_NAMESPACE", "metadata.namespace"),
    field("NODE_NAME", "spec.nodeName"),
    { name: "SERVICEACCOUNT_NAME", value: serviceAccount },
    { name: "ANTREA_CONFIG_MAP_NAME", value: "antrea-config" },
  ];
}

function controllerDeployment(): Manifest {
  const component = { component: "antrea-controller" };
  const probe = (
    path: string,
    times: { readonly periodSeconds: number; readonly timeoutSeconds: number; readonly failureThreshold: number },
  ) => ({
    httpGet: { path, port: "api", scheme: "HTTPS", host: "127.0.0.1" },
    ...times,
  });
  return object(
    "apps/v1",
    "Deployment",
    "antrea-controller",
    {
      spec: {
        // Two of them share no node: both want its port.
        replicas: 2,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        selector: { matchLabels: { ...labels, ...component } },
        template: {
          metadata: { labels: { ...labels, ...component } },
          spec: {
            // On the node's own network: it must run before any pod network does.
            hostNetwork: true,
            nodeSelector: { "kubernetes.io/os": "linux" },
            priorityClassName: "system-cluster-critical",
            serviceAccountName: "antrea-controller",
            tolerations: [
              { key: "CriticalAddonsOnly", operator: "Exists" },
              { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
              { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoSchedule" },
            ],
            containers: [
              {
                name: "antrea-controller",
                image,
                command: ["antrea-controller", "--config", "/etc/antrea/antrea-controller.conf"],
                env: environment("antrea-controller"),
                ports: [{ name: "api", containerPort: controllerKeys.apiPort.default, protocol: "TCP" }],
                // One that does not answer is soon no endpoint of the Service: agents do not need that, webhooks do.
                readinessProbe: probe("/readyz", { periodSeconds: 2, timeoutSeconds: 1, failureThreshold: 2 }),
                livenessProbe: probe("/livez", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 5 }),
                resources: { requests: { cpu: "200m", memory: "128Mi" } },
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
                volumeMounts: [
                  { name: "antrea-config", mountPath: "/etc/antrea", readOnly: true },
                  { name: "run", mountPath: "/var/run/antrea" },
                ],
              },
            ],
            volumes: [
              { name: "antrea-config", configMap: { name: "antrea-config" } },
              { name: "run", emptyDir: {} },
            ],
          },
        },
      },
    },
    { namespaced: true, labels: component },
  );
}

function agentDaemonSet(datapath: Datapath): Manifest {
  const component = { component: "antrea-agent" };
  const hostPath = (name: string, path: string, type?: string) => ({ name, hostPath: { path, ...(type && { type }) } });
  return object(
    "apps/v1",
    "DaemonSet",
    "antrea-agent",
    {
      spec: {
        selector: { matchLabels: { ...labels, ...component } },
        updateStrategy: { type: "RollingUpdate" },
        template: {
          metadata: { labels: { ...labels, ...component } },
          spec: {
            hostNetwork: true,
            dnsPolicy: "ClusterFirstWithHostNet",
            nodeSelector: { "kubernetes.io/os": "linux" },
            priorityClassName: "system-node-critical",
            serviceAccountName: "antrea-agent",
            tolerations: [
              { key: "CriticalAddonsOnly", operator: "Exists" },
              { operator: "Exists", effect: "NoSchedule" },
              { operator: "Exists", effect: "NoExecute" },
            ],
            initContainers: [
              {
                name: "install-cni",
                image,
                command: ["antrea-install-cni"],
                securityContext: { capabilities: { add: ["SYS_MODULE"] } },
                volumeMounts: [
                  { name: "antrea-config", mountPath: "/etc/antrea/antrea-cni.conflist", subPath: "antrea-cni.conflist", readOnly: true },
                  { name: "cni-conf", mountPath: "/host/etc/cni/net.d" },
                  { name: "cni-bin", mountPath: "/host/opt/cni/bin" },
                  { name: "lib-modules", mountPath: "/lib/modules", readOnly: true },
                ],
              },
            ],
            containers: [
              {
                name: "antrea-agent",
                image,
                command: ["antrea-agent", "--config", "/etc/antrea/antrea-agent.conf"],
                env: environment("antrea-agent"),
                ports: [{ name: "api", containerPort: agentKeys.apiPort.default, protocol: "TCP" }],
                livenessProbe: {
                  httpGet: { path: "/livez", port: "api", scheme: "HTTPS", host: "127.0.0.1" },
                  initialDelaySeconds: 10,
                  periodSeconds: 10,
                  timeoutSeconds: 5,
                  failureThreshold: 5,
                },
                readinessProbe: {
                  httpGet: { path: "/readyz", port: "api", scheme: "HTTPS", host: "127.0.0.1" },
                  periodSeconds: 10,
                  timeoutSeconds: 5,
                  failureThreshold: 8,
                },
                resources: { requests: { cpu: "200m", memory: "128Mi" } },
                securityContext: { privileged: true },
                volumeMounts: [
                  { name: "antrea-config", mountPath: "/etc/antrea", readOnly: true },
                  { name: "run", mountPath: "/var/run/antrea" },
                  { name: "run", mountPath: "/var/run/openvswitch", subPath: "openvswitch" },
                  { name: "log", mountPath: agentKeys.logDir.default },
                  { name: "host-proc", mountPath: "/host/proc", readOnly: true },
                  { name: "host-netns", mountPath: "/host/var/run/netns", mountPropagation: "HostToContainer" },
                ],
              },
              {
                name: "antrea-ovs",
                image,
                command: datapath === "netdev" ? ["antrea-start-ovs", "--netdev", "eth0"] : ["antrea-start-ovs"],
                resources: { requests: { cpu: "200m", memory: "64Mi" } },
                // In user space the switch makes its ports of /dev/net/tun, a device that only privileged containers have.
                securityContext:
                  datapath === "netdev"
                    ? { privileged: true }
                    : { capabilities: { add: ["SYS_NICE", "NET_ADMIN", "SYS_ADMIN", "IPC_LOCK"] } },
                volumeMounts: [
                  { name: "run", mountPath: "/var/run/openvswitch", subPath: "openvswitch" },
                  { name: "log", mountPath: "/var/log/openvswitch", subPath: "openvswitch" },
                ],
              },
            ],
            volumes: [
              { name: "antrea-config", configMap: { name: "antrea-config" } },
              hostPath("cni-conf", "/etc/cni/net.d", "DirectoryOrCreate"),
              hostPath("cni-bin", "/opt/cni/bin", "DirectoryOrCreate"),
              hostPath("host-proc", "/proc"),
              hostPath("host-netns", "/var/run/netns", "DirectoryOrCreate"),
              hostPath("run", "/var/run/antrea", "DirectoryOrCreate"),
              hostPath("log", "/var/log/antrea", "DirectoryOrCreate"),
              hostPath("lib-modules", "/lib/modules"),
            ],
          },
        },
      },
    },
    { namespaced: true, labels: component },
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [name, text] of [
    [fileNames.system, manifestText("system")],
    [fileNames.netdev, manifestText("netdev")],
    [upstreamFile, upstreamText()],
    [besideGoFile, besideGoText()],
    ...[...deployedChart()].map(([path, content]) => [`chart/${path}`, content] as const),
  ] as const) {
    const file = fileURLToPath(new URL(`../deploy/${name}`, import.meta.url));
    if (process.argv.includes("--check")) {
      if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
        process.stderr.write(`${file} is not what the code declares: run node tools/generate-deploy.ts\n`);
        process.exitCode = 1;
      }
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }
