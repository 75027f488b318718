import type { messages, Sent } from "#lib/cri/index.ts";
import { type QosClass, qosClassOf } from "#lib/kube/qos.ts";
import { parseQuantity } from "#lib/kube/quantity.ts";
import type { KubeletContainer, KubeletPod } from "./pod.ts";

/** The kernel's period for CPU quotas, as the stock kubelet sets it, in microseconds. */
const cpuPeriodUs = 100_000;
const minCpuShares = 2;
const sharesPerCpu = 1024;

/** What the container may use, as CRI takes it. A part that is not stated is not limited. */
export function containerResources(
  pod: KubeletPod,
  container: KubeletContainer,
  memoryCapacity: number,
): Sent<typeof messages.LinuxContainerResources> {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const cpuLimit = quantity(limits.cpu);
  const cpuRequest = quantity(requests.cpu) ?? cpuLimit ?? 0;
  const memoryLimit = quantity(limits.memory);
  return {
    cpuShares: BigInt(Math.max(minCpuShares, Math.floor(cpuRequest * sharesPerCpu))),
    ...(cpuLimit === undefined
      ? {}
      : { cpuPeriod: BigInt(cpuPeriodUs), cpuQuota: BigInt(Math.max(1_000, Math.floor(cpuLimit * cpuPeriodUs))) }),
    ...(memoryLimit === undefined ? {} : { memoryLimitInBytes: BigInt(Math.floor(memoryLimit)) }),
    oomScoreAdj: BigInt(oomScore(qosClass(pod), quantity(requests.memory) ?? 0, memoryCapacity)),
  };
}

/** The class of the pod, by what its containers say. */
export const qosClass = ({ spec }: KubeletPod): QosClass => qosClassOf([...spec.containers, ...(spec.initContainers ?? [])]);

/** The stock kubelet's scores: who asked for more of the node's memory is ended later. */
function oomScore(qos: QosClass, memoryRequest: number, memoryCapacity: number): number {
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1_000;
  return Math.min(999, Math.max(3, 1_000 - Math.floor((1_000 * memoryRequest) / memoryCapacity)));
}

const quantity = (text: string | undefined): number | undefined => (text === undefined ? undefined : parseQuantity(text));
