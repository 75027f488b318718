import type { messages, Sent } from "#lib/cri/index.ts";
import type { KubeletConfig } from "./config.ts";
import { dnsConfigOf } from "./dns.ts";
import { labels } from "./observe.ts";
import { podPaths } from "./paths.ts";
import { identityOf, type KubeletPod } from "./pod.ts";

export type SandboxConfig = Sent<typeof messages.PodSandboxConfig>;

/** The longest label that the kernel takes as a host name. */
const maxHostnameLength = 63;

/** What CRI is told to make a pod's sandbox. CNI plugins get the labels as `K8S_POD_*` arguments. */
export async function sandboxConfig(config: KubeletConfig, pod: KubeletPod, attempt: number): Promise<SandboxConfig> {
  const identity = identityOf(pod);
  const { spec, metadata } = pod;
  const user = spec.securityContext?.runAsUser;
  const group = spec.securityContext?.runAsGroup;
  return {
    metadata: { ...identity, attempt },
    // On the host's network there is no UTS namespace of the pod's own to name, and runc refuses to.
    hostname: spec.hostNetwork === true ? "" : hostnameOf(pod),
    logDirectory: podPaths(config, identity).logs,
    dnsConfig: await dnsConfigOf(config, pod),
    portMappings: portMappings(pod),
    labels: {
      ...metadata.labels,
      [labels.podName]: identity.name,
      [labels.podNamespace]: identity.namespace,
      [labels.podUid]: identity.uid,
    },
    annotations: { ...metadata.annotations },
    linux: {
      cgroupParent: podCgroup(config, identity.uid),
      sysctls: Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value])),
      securityContext: {
        privileged: spec.containers.some(({ securityContext }) => securityContext?.privileged === true),
        namespaceOptions: namespaceOptions(pod),
        ...(user === undefined ? {} : { runAsUser: { value: BigInt(user) } }),
        ...(group === undefined ? {} : { runAsGroup: { value: BigInt(group) } }),
        supplementalGroups: supplementalGroups(pod),
      },
    },
  };
}

/** Ports of the node that lead to the pod; on the host's network they are the pod's own anyway. */
function portMappings({ spec }: KubeletPod): Sent<typeof messages.PortMapping>[] {
  if (spec.hostNetwork === true) return [];
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ containerPort, hostPort, protocol, hostIP = "" }) =>
      hostPort === undefined || hostPort === 0 ? [] : [{ containerPort, hostPort, protocol: protocolOf(protocol), hostIp: hostIP }],
    ),
  );
}

const protocolOf = (name: string | undefined): "TCP" | "UDP" | "SCTP" => (name === "UDP" || name === "SCTP" ? name : "TCP");

export const podCgroup = (config: KubeletConfig, uid: string): string => `${config.cgroupRoot}/pod${uid}`;

export function hostnameOf(pod: KubeletPod): string {
  return (pod.spec.hostname ?? pod.metadata.name ?? "").slice(0, maxHostnameLength).replace(/[.-]+$/, "");
}

export function namespaceOptions({ spec }: KubeletPod): Sent<typeof messages.NamespaceOption> {
  return {
    network: spec.hostNetwork === true ? "NODE" : "POD",
    pid: spec.hostPID === true ? "NODE" : spec.shareProcessNamespace === true ? "POD" : "CONTAINER",
    ipc: spec.hostIPC === true ? "NODE" : "POD",
  };
}

export function supplementalGroups({ spec }: KubeletPod): bigint[] {
  const { fsGroup, supplementalGroups: groups = [] } = spec.securityContext ?? {};
  return [...(fsGroup === undefined ? [] : [fsGroup]), ...groups].map(BigInt);
}
