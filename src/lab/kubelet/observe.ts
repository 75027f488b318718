import type { CriClient, messages, Received } from "#lib/cri/index.ts";
import { isNotFound } from "#lib/cri/index.ts";
import type { PodIdentity } from "./pod.ts";

/** Labels and annotations by which sandboxes and containers are recognised: the stock kubelet's, as crictl and CNI plugins know them. */
export const labels = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
} as const;

export const annotations = {
  /** Changes when the container must be made anew. */
  containerHash: "io.kubernetes.container.hash",
  restartCount: "io.kubernetes.container.restartCount",
} as const;

export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAt: bigint;
  /** Addresses as CNI gave them, the primary first; empty for host-network pods. */
  readonly ips: readonly string[];
}

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  /** How often it was started before. */
  readonly attempt: number;
  readonly hash: string;
  readonly state: "created" | "running" | "exited" | "unknown";
  /** Nanoseconds since the epoch; 0 when it has not happened. */
  readonly createdAt: bigint;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly imageRef: string;
  readonly logPath: string;
}

/** What the container runtime has of one pod, newest first: the only memory of this kubelet beside the API. */
export interface ObservedPod {
  readonly sandboxes: readonly ObservedSandbox[];
  readonly containers: readonly ObservedContainer[];
}

export async function observePod(cri: CriClient, uid: string): Promise<ObservedPod> {
  const labelSelector = { [labels.podUid]: uid };
  const [{ items }, { containers }] = await Promise.all([
    cri.listPodSandbox({ filter: { labelSelector } }),
    cri.listContainers({ filter: { labelSelector } }),
  ]);
  const [sandboxes, statuses] = await Promise.all([
    Promise.all(items.map((sandbox) => observeSandbox(cri, sandbox))),
    Promise.all(containers.map((container) => observeContainer(cri, container))),
  ]);
  return {
    sandboxes: sandboxes.flatMap((sandbox) => sandbox ?? []).sort((a, b) => b.attempt - a.attempt || newest(a, b)),
    containers: statuses.flatMap((container) => container ?? []).sort((a, b) => b.attempt - a.attempt || newest(a, b)),
  };
}

const newest = (a: { readonly createdAt: bigint }, b: { readonly createdAt: bigint }): number =>
  a.createdAt === b.createdAt ? 0 : a.createdAt < b.createdAt ? 1 : -1;

/** Whose sandbox or container it is, or undefined for one that no kubelet made. */
export function ownerOf(labelled: { readonly labels: Readonly<Record<string, string>> }): PodIdentity | undefined {
  const { [labels.podUid]: uid, [labels.podName]: name, [labels.podNamespace]: namespace } = labelled.labels;
  return uid === undefined || name === undefined || namespace === undefined ? undefined : { uid, name, namespace };
}

async function observeSandbox(cri: CriClient, listed: Received<typeof messages.PodSandbox>): Promise<ObservedSandbox | undefined> {
  const status = await foundOnly(cri.podSandboxStatus({ podSandboxId: listed.id }));
  if (status?.status === undefined) return undefined;
  const { network, state, metadata, createdAt } = status.status;
  const ips = [network?.ip ?? "", ...(network?.additionalIps ?? []).map(({ ip }) => ip)].filter((ip) => ip !== "");
  return { id: listed.id, attempt: metadata?.attempt ?? 0, ready: state === "SANDBOX_READY", createdAt, ips };
}

const containerStates = {
  CONTAINER_CREATED: "created",
  CONTAINER_RUNNING: "running",
  CONTAINER_EXITED: "exited",
  CONTAINER_UNKNOWN: "unknown",
} as const;

async function observeContainer(cri: CriClient, listed: Received<typeof messages.Container>): Promise<ObservedContainer | undefined> {
  const answer = await foundOnly(cri.containerStatus({ containerId: listed.id }));
  const status = answer?.status;
  if (status === undefined) return undefined;
  const known = status.state in containerStates ? containerStates[status.state as keyof typeof containerStates] : "unknown";
  return {
    id: listed.id,
    name: listed.labels[labels.containerName] ?? status.metadata?.name ?? "",
    sandboxId: listed.podSandboxId,
    attempt: status.metadata?.attempt ?? 0,
    hash: listed.annotations[annotations.containerHash] ?? "",
    state: known,
    createdAt: status.createdAt,
    startedAt: status.startedAt,
    finishedAt: status.finishedAt,
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    imageRef: status.imageRef,
    logPath: status.logPath,
  };
}

/** What was removed between listing and asking is gone, not an error. */
async function foundOnly<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
