import { boolean, int32, int64, list, listBy, map, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { labelSelector, objectMeta, quantity } from "#lib/apiserver/openapi/meta.ts";
import { localObjectReference } from "../references.ts";
import { container, ephemeralContainer, resources } from "./container.ts";
import { volume } from "./volume.ts";

const core = "io.k8s.api.core.v1";

const toleration = part(`${core}.Toleration`, "Lets the pod onto nodes with a matching taint.", {
  key: string("Key of the taint; empty with Exists matches every taint."),
  operator: string("Exists or Equal (the default)."),
  value: string("Value of the taint."),
  effect: string("NoSchedule, PreferNoSchedule or NoExecute; empty matches all."),
  tolerationSeconds: int64("For NoExecute: how long the pod may stay."),
});

const hostAlias = part(
  `${core}.HostAlias`,
  "An entry of /etc/hosts.",
  { ip: string("Address."), hostnames: list(string("A name."), "Names.") },
  ["ip"],
);

const dnsConfig = part(`${core}.PodDNSConfig`, "Further settings of the resolver.", {
  nameservers: list(string("An address."), "Servers to ask."),
  searches: list(string("A domain."), "Domains to try."),
  options: list(
    part(`${core}.PodDNSConfigOption`, "An option of resolv.conf.", { name: string("Its name."), value: string("Its value.") }),
    "Options of resolv.conf.",
  ),
});

const podSecurityContext = part(`${core}.PodSecurityContext`, "Rights of all containers of the pod.", {
  runAsUser: int64("User of the first processes."),
  runAsGroup: int64("Group of the first processes."),
  runAsNonRoot: boolean("Refuse to run as root."),
  fsGroup: int64("Group that owns volumes."),
  fsGroupChangePolicy: string("OnRootMismatch or Always."),
  supplementalGroups: list(int64("A group."), "Further groups of the first processes."),
  supplementalGroupsPolicy: string("Merge or Strict."),
  sysctls: list(
    part(`${core}.Sysctl`, "A kernel parameter.", { name: string("Its name."), value: string("Its value.") }, ["name", "value"]),
    "Kernel parameters of the pod's namespaces.",
  ),
  seLinuxOptions: opaque("SELinux labels."),
  seLinuxChangePolicy: string("MountOption or Recursive."),
  seccompProfile: opaque("Filter of system calls."),
  appArmorProfile: opaque("AppArmor profile."),
  windowsOptions: opaque("For Windows only."),
});

const spreadConstraint = part(
  `${core}.TopologySpreadConstraint`,
  "How evenly pods spread. This lab's scheduler spreads by owner and does not read it.",
  {
    maxSkew: int32("Most that two domains may differ."),
    topologyKey: string("Label of nodes that makes a domain."),
    whenUnsatisfiable: string("DoNotSchedule or ScheduleAnyway."),
    labelSelector: use(labelSelector, "Pods to count."),
    minDomains: int32("Least number of domains."),
    nodeAffinityPolicy: string("Honor or Ignore."),
    nodeTaintsPolicy: string("Honor or Ignore."),
    matchLabelKeys: list(string("A label."), "Labels whose values the pods must share."),
  },
  ["maxSkew", "topologyKey", "whenUnsatisfiable"],
);

export const podSpec = part(
  `${core}.PodSpec`,
  "What a pod shall be.",
  {
    volumes: { ...listBy("name", volume, "Folders for containers to mount."), "x-kubernetes-patch-strategy": "merge,retainKeys" },
    initContainers: listBy("name", container, "Run one after another before the containers start."),
    containers: listBy("name", container, "Run side by side."),
    ephemeralContainers: listBy("name", ephemeralContainer, "Not there in this lab."),
    restartPolicy: string("Always, OnFailure or Never.", { default: "Always", enum: ["Always", "OnFailure", "Never"] }),
    terminationGracePeriodSeconds: int64("Time between the request to stop and the kill.", { default: 30 }),
    activeDeadlineSeconds: int64("Longest time the pod may run."),
    dnsPolicy: string("ClusterFirst, ClusterFirstWithHostNet, Default or None.", {
      default: "ClusterFirst",
      enum: ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
    }),
    dnsConfig,
    nodeSelector: map(string("Value of the label."), "Labels that the node must have."),
    nodeName: string("Node the pod runs on. Set by the scheduler."),
    serviceAccountName: string("Service account that the pod acts as."),
    serviceAccount: string("Old name of serviceAccountName."),
    automountServiceAccountToken: boolean("False: containers get no token."),
    hostNetwork: boolean("Use the node's network."),
    hostPID: boolean("See the node's processes."),
    hostIPC: boolean("Use the node's IPC."),
    hostUsers: boolean("Use the node's user ids."),
    shareProcessNamespace: boolean("Containers see each other's processes."),
    securityContext: use(podSecurityContext, "Rights of all containers.", { default: {} }),
    imagePullSecrets: listBy("name", localObjectReference, "Not used: this lab has no registry."),
    hostname: string("Host name inside the pod; the pod's name by default."),
    subdomain: string("Makes the full host name HOSTNAME.SUBDOMAIN.NAMESPACE.svc."),
    setHostnameAsFQDN: boolean("Use the full name as host name."),
    affinity: opaque("Not read by this lab's scheduler."),
    schedulerName: string("Who places the pod.", { default: "default-scheduler" }),
    tolerations: list(toleration, "Taints that the pod bears."),
    hostAliases: listBy("ip", hostAlias, "Entries of /etc/hosts."),
    priorityClassName: string("Not used in this lab."),
    priority: int32("Not used in this lab."),
    preemptionPolicy: string("Not used in this lab."),
    readinessGates: list(
      part(`${core}.PodReadinessGate`, "A further condition for readiness.", { conditionType: string("Type of the condition.") }, [
        "conditionType",
      ]),
      "Conditions that must hold for the pod to be ready.",
    ),
    runtimeClassName: string("Not used in this lab."),
    enableServiceLinks: boolean("Put addresses of services into the environment."),
    overhead: map(quantity, "What the pod needs beside its containers."),
    topologySpreadConstraints: listBy("topologyKey", spreadConstraint, "How evenly pods spread.", ["topologyKey", "whenUnsatisfiable"]),
    os: part(`${core}.PodOS`, "Operating system of the pod.", { name: string("linux.") }, ["name"]),
    schedulingGates: listBy("name", opaque("A gate."), "The pod is not scheduled while there is any."),
    resourceClaims: listBy("name", opaque("A claim."), "Not there in this lab."),
    resources: use(resources, "Of the pod as a whole."),
  },
  ["containers"],
);

export const podTemplate = part(`${core}.PodTemplateSpec`, "What each pod shall be made from.", {
  metadata: use(objectMeta, "Labels and annotations of the pods."),
  spec: use(podSpec, "What the pods shall be."),
});
