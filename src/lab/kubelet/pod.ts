import type { Container, EnvVar, Pod, PodSpec, Probe } from "#lib/kube/kinds.ts";
import type { Condition } from "#lib/kube/types.ts";
import type { ResourceRef } from "./resource-ref.ts";

// What this kubelet reads of a pod beyond what every program of ours does. Names and meanings are those of the Kubernetes API, core/v1.

export type SecurityContext = {
  readonly privileged?: boolean;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly seccompProfile?: { readonly type: string; readonly localhostProfile?: string };
};

export type PodSecurityContext = {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly fsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly sysctls?: readonly { readonly name: string; readonly value: string }[];
  readonly seccompProfile?: { readonly type: string; readonly localhostProfile?: string };
};

export interface KubeletProbe extends Probe {
  readonly httpGet?: NonNullable<Probe["httpGet"]> & {
    readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
  };
  readonly grpc?: unknown;
}

/** What is done when a container has started, or before it is ended. */
export interface LifecycleHandler extends Pick<KubeletProbe, "exec" | "httpGet" | "tcpSocket"> {
  readonly sleep?: { readonly seconds: number };
}

export interface KubeletContainer extends Container {
  readonly readinessProbe?: KubeletProbe;
  readonly livenessProbe?: KubeletProbe;
  readonly startupProbe?: KubeletProbe;
  readonly env?: readonly KubeletEnvVar[];
  readonly envFrom?: readonly {
    readonly prefix?: string;
    readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
    readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  }[];
  readonly securityContext?: SecurityContext;
  readonly terminationMessagePath?: string;
  readonly stdinOnce?: boolean;
  readonly restartPolicy?: string;
  readonly terminationMessagePolicy?: string;
  readonly lifecycle?: { readonly postStart?: LifecycleHandler; readonly preStop?: LifecycleHandler };
  readonly volumeDevices?: readonly unknown[];
}

export interface KubeletEnvVar extends EnvVar {
  readonly valueFrom?: EnvVar["valueFrom"] & { readonly resourceFieldRef?: ResourceRef };
}

export interface KeyToPath {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}

export interface ObjectVolume {
  readonly items?: readonly KeyToPath[];
  readonly optional?: boolean;
  readonly defaultMode?: number;
}

export interface DownwardItem {
  readonly path: string;
  readonly mode?: number;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: ResourceRef;
}

export interface ProjectedSource {
  readonly configMap?: ObjectVolume & { readonly name: string };
  readonly secret?: ObjectVolume & { readonly name: string };
  readonly serviceAccountToken?: { readonly path: string; readonly audience?: string; readonly expirationSeconds?: number };
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] };
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string };
  readonly hostPath?: { readonly path: string; readonly type?: string };
  readonly configMap?: ObjectVolume & { readonly name: string };
  readonly secret?: ObjectVolume & { readonly secretName: string };
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[]; readonly defaultMode?: number };
  readonly projected?: { readonly sources?: readonly ProjectedSource[]; readonly defaultMode?: number };
}

export interface KubeletPodSpec extends PodSpec {
  readonly containers: readonly KubeletContainer[];
  readonly initContainers?: readonly KubeletContainer[];
  readonly ephemeralContainers?: readonly { readonly name: string }[];
  readonly volumes?: readonly Volume[];
  readonly securityContext?: PodSecurityContext;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[];
  readonly enableServiceLinks?: boolean;
  readonly dnsPolicy?: string;
  readonly dnsConfig?: {
    readonly nameservers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly { readonly name: string; readonly value?: string }[];
  };
  readonly automountServiceAccountToken?: boolean;
  readonly activeDeadlineSeconds?: number;
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly runtimeClassName?: string;
}

export interface KubeletPod extends Pod {
  readonly spec: KubeletPodSpec;
  readonly status?: PodStatus;
}

export type ContainerState =
  | { readonly waiting: { readonly reason: string; readonly message?: string } }
  | { readonly running: { readonly startedAt: string } }
  | { readonly terminated: TerminatedState };

export type TerminatedState = {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly containerID?: string;
};

export type ContainerStatusReport = {
  readonly name: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState | Record<string, never>;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly started: boolean;
};

export type PodCondition = Condition;

export type PodStatus = Omit<NonNullable<Pod["status"]>, "conditions" | "containerStatuses" | "initContainerStatuses"> & {
  readonly conditions?: readonly PodCondition[];
  readonly containerStatuses?: readonly ContainerStatusReport[];
  readonly initContainerStatuses?: readonly ContainerStatusReport[];
  readonly qosClass?: string;
};

/** What names a pod everywhere: in logs, events, paths and CRI labels. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export function identityOf(pod: KubeletPod): PodIdentity {
  const { namespace = "", name = "", uid = "" } = pod.metadata;
  return { namespace, name, uid };
}
