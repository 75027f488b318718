import { readFile, statfs } from "node:fs/promises";
import { arch, availableParallelism, hostname, release, totalmem } from "node:os";
import type { CriClient } from "#lib/cri/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { KubeletConfig } from "./config.ts";
import { rfc3339 } from "./status.ts";

export interface NodeCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly lastHeartbeatTime: string;
  readonly lastTransitionTime: string;
}

/** What the kubelet reports of its node. Facts of the machine are read once, conditions each time. */
export interface NodeReport extends KubeObject {
  readonly status: {
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
    readonly capacity: Readonly<Record<string, string>>;
    readonly allocatable: Readonly<Record<string, string>>;
    readonly conditions: readonly NodeCondition[];
    readonly daemonEndpoints: { readonly kubeletEndpoint: { readonly Port: number } };
    readonly nodeInfo: Readonly<Record<string, string>>;
  };
}

/** Node's name of an architecture → Kubernetes' (Go's). */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
/** The release whose behaviour this kubelet follows; `-lab` says that it is not that one. */
export const kubeletVersion = "v1.32.0-lab";

export interface MachineFacts {
  readonly nodeInfo: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, string>>;
}

export async function machineFacts(config: KubeletConfig, cri: CriClient): Promise<MachineFacts> {
  const [{ runtimeName, runtimeVersion }, osRelease, bootId, disk] = await Promise.all([
    cri.version({}),
    readFile("/etc/os-release", "utf8").catch(() => ""),
    readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => ""),
    statfs(config.rootDir),
  ]);
  const architecture = architectures[arch()] ?? arch();
  return {
    nodeInfo: {
      architecture,
      operatingSystem: "linux",
      osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease)?.[1] ?? "Linux",
      kernelVersion: release(),
      containerRuntimeVersion: `${runtimeName}://${runtimeVersion}`,
      kubeletVersion,
      // deprecated and kept empty by the stock kubelet, yet required
      kubeProxyVersion: "",
      machineID: hostname(),
      systemUUID: `${bootId.trim()}-${config.nodeName}`,
      bootID: bootId.trim(),
    },
    capacity: {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      pods: String(config.maxPods),
      "ephemeral-storage": `${Math.floor((disk.blocks * disk.bsize) / 1024)}Ki`,
    },
  };
}

export function nodeLabels(config: KubeletConfig): Readonly<Record<string, string>> {
  const architecture = architectures[arch()] ?? arch();
  return { "kubernetes.io/hostname": config.nodeName, "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture };
}

/** The node's status now. Transition times of conditions that have not changed stay. */
export async function nodeStatus(options: {
  readonly config: KubeletConfig;
  readonly cri: CriClient;
  readonly facts: MachineFacts;
  readonly before: readonly Partial<NodeCondition>[];
  readonly now: number;
}): Promise<NodeReport["status"]> {
  const { config, cri, facts, before } = options;
  const now = rfc3339(options.now);
  const condition = (type: string, status: "True" | "False", reason: string, message: string): NodeCondition => {
    const previous = before.find((found) => found.type === type);
    const lastTransitionTime = previous?.status === status ? (previous.lastTransitionTime ?? now) : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  const problem = await runtimeProblem(cri);
  return {
    addresses: [
      ...config.nodeAddresses.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: config.nodeName },
    ],
    capacity: facts.capacity,
    allocatable: facts.capacity,
    conditions: [
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      problem === undefined
        ? condition("NetworkUnavailable", "False", "NetworkPluginReady", "the container runtime has a CNI configuration")
        : condition("NetworkUnavailable", "True", "NetworkPluginNotReady", problem),
      problem === undefined
        ? condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
        : condition("Ready", "False", "KubeletNotReady", problem),
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: config.port } },
    nodeInfo: facts.nodeInfo,
  };
}

/** Why pods can't be run and networked, or undefined when they can: the runtime answers and has found a CNI configuration. */
async function runtimeProblem(cri: CriClient): Promise<string | undefined> {
  let status: Awaited<ReturnType<CriClient["status"]>>["status"];
  try {
    ({ status } = await cri.status({}));
  } catch (error) {
    return `container runtime is down: ${errorMessage(error)}`;
  }
  const condition = status?.conditions.find(({ type }) => type === "NetworkReady");
  if (condition?.status === true) return undefined;
  return `container runtime network not ready: NetworkReady=false reason:${condition?.reason ?? "Unknown"} message:${condition?.message ?? "the runtime says nothing"}`;
}
