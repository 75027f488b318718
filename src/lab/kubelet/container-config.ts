import { createHash } from "node:crypto";
import type { messages, Sent } from "#lib/cri/index.ts";
import type { KubeletConfig } from "./config.ts";
import { expand } from "./environment.ts";
import { annotations, labels } from "./observe.ts";
import { podPaths } from "./paths.ts";
import { identityOf, type KubeletContainer, type KubeletPod } from "./pod.ts";
import { containerResources } from "./resources.ts";
import { namespaceOptions, supplementalGroups } from "./sandbox-config.ts";

export type ContainerConfig = Sent<typeof messages.ContainerConfig>;
export type Mount = Sent<typeof messages.Mount>;

export interface ContainerSetting {
  readonly config: KubeletConfig;
  readonly pod: KubeletPod;
  readonly container: KubeletContainer;
  readonly attempt: number;
  /** The image as the runtime knows it. */
  readonly imageId: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  /** Bytes of memory that the node has. */
  readonly memoryCapacity: number;
}

/** What CRI is told to make one run of a container. */
export function containerConfig(setting: ContainerSetting): ContainerConfig {
  const { config, pod, container, attempt, environment } = setting;
  const identity = identityOf(pod);
  return {
    metadata: { name: container.name, attempt },
    image: { image: setting.imageId },
    command: (container.command ?? []).map((word) => expand(word, environment)),
    args: (container.args ?? []).map((word) => expand(word, environment)),
    workingDir: container.workingDir ?? "",
    envs: [...environment].map(([key, value]) => ({ key, value })),
    mounts: setting.mounts,
    labels: {
      [labels.podName]: identity.name,
      [labels.podNamespace]: identity.namespace,
      [labels.podUid]: identity.uid,
      [labels.containerName]: container.name,
    },
    annotations: {
      [annotations.containerHash]: containerHash(container),
      [annotations.restartCount]: String(attempt),
    },
    logPath: podPaths(config, identity).logPath(container.name, attempt),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: containerResources(pod, container, setting.memoryCapacity),
      securityContext: securityContext(pod, container),
    },
  };
}

/** Equal as long as the running container is still the one that the spec means: name and image, which alone may change in place. */
export function containerHash({ name, image }: KubeletContainer): string {
  return createHash("sha256")
    .update(JSON.stringify([name, image]))
    .digest("hex")
    .slice(0, 8);
}

function securityContext(pod: KubeletPod, container: KubeletContainer): Sent<typeof messages.LinuxContainerSecurityContext> {
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? pod.spec.securityContext?.runAsUser;
  const group = own.runAsGroup ?? pod.spec.securityContext?.runAsGroup;
  const privileged = own.privileged === true;
  const seccomp = own.seccompProfile ?? pod.spec.securityContext?.seccompProfile;
  return {
    privileged,
    namespaceOptions: namespaceOptions(pod),
    capabilities: { addCapabilities: own.capabilities?.add ?? [], dropCapabilities: own.capabilities?.drop ?? [] },
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    supplementalGroups: supplementalGroups(pod),
    ...(user === undefined ? {} : { runAsUser: { value: BigInt(user) } }),
    ...(group === undefined ? {} : { runAsGroup: { value: BigInt(group) } }),
    seccomp: { profileType: seccomp?.type === "RuntimeDefault" && !privileged ? "RuntimeDefault" : "Unconfined" },
    ...(privileged ? {} : { maskedPaths, readonlyPaths }),
  };
}

// What containers don't see, or may only read, of the kernel's /proc: the runtime default that the stock kubelet passes.
const maskedPaths = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
