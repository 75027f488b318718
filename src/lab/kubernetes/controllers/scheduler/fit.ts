import type { FullNode, Taint } from "../../kinds/node.ts";
import type { FullPod, Toleration } from "../../kinds/pod/types.ts";
import { controllerOf } from "../owners.ts";

/** Pods per node unless the kubelet says otherwise. */
const defaultPodCapacity = 110;

export const unschedulableTaint = "node.kubernetes.io/unschedulable";

/** Why a pod cannot run on a node; undefined when it can. */
export function refusal(pod: FullPod, node: FullNode, present: readonly FullPod[]): string | undefined {
  const { spec, status, metadata } = node;
  const tolerations = pod.spec.tolerations ?? [];
  const cordon: Taint = { key: unschedulableTaint, effect: "NoSchedule" };
  if (spec?.unschedulable && !tolerates(tolerations, cordon)) return "were unschedulable";
  const taint = (spec?.taints ?? []).find((one) => one.effect !== "PreferNoSchedule" && !tolerates(tolerations, one));
  if (taint !== undefined) return `had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  if (status?.conditions?.find(({ type }) => type === "Ready")?.status !== "True") return "were not ready";
  const wanted = Object.entries(pod.spec.nodeSelector ?? {});
  if (!wanted.every(([name, value]) => metadata.labels?.[name] === value)) return "didn't match Pod's node affinity/selector";
  const ports = hostPorts(pod);
  if (present.some((other) => hostPorts(other).some((port) => ports.includes(port))))
    return "didn't have free ports for the requested pod ports";
  if (present.length >= capacityOf(node)) return "Too many pods";
  return undefined;
}

function capacityOf({ status }: FullNode): number {
  const { allocatable } = (status ?? {}) as { readonly allocatable?: Readonly<Record<string, string>> };
  const pods = Number(allocatable?.pods);
  return Number.isInteger(pods) && pods > 0 ? pods : defaultPodCapacity;
}

function hostPorts({ spec }: FullPod): string[] {
  return spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, protocol = "TCP" }) => (hostPort ? [`${hostPort}/${protocol}`] : [])),
  );
}

/** Whether any toleration covers the taint. */
export function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some((toleration) => covers(toleration, taint));
}

export function covers({ key = "", operator = "Equal", value = "", effect = "" }: Toleration, taint: Taint): boolean {
  if (effect !== "" && effect !== taint.effect) return false;
  if (key === "") return operator === "Exists";
  return key === taint.key && (operator === "Exists" || value === (taint.value ?? ""));
}

/** The best of nodes that all fit: fewest pods of the same owner, then fewest pods, then by name. */
export function choose(pod: FullPod, nodes: readonly FullNode[], podsOn: (node: string) => readonly FullPod[]): FullNode | undefined {
  const owner = controllerOf(pod)?.uid;
  const rank = (node: FullNode): readonly [number, number, string] => {
    const present = podsOn(node.metadata.name ?? "");
    const siblings = present.filter((other) => (owner === undefined ? sameLabels(other, pod) : controllerOf(other)?.uid === owner));
    return [siblings.length, present.length, node.metadata.name ?? ""];
  };
  return nodes
    .map((node) => ({ node, rank: rank(node) }))
    .sort(({ rank: left }, { rank: right }) => left[0] - right[0] || left[1] - right[1] || (left[2] < right[2] ? -1 : 1))[0]?.node;
}

/** Pods without an owner spread by their labels. */
function sameLabels(left: FullPod, right: FullPod): boolean {
  const labels = Object.entries(right.metadata.labels ?? {});
  return (
    labels.length > 0 &&
    left.metadata.namespace === right.metadata.namespace &&
    labels.every(([name, value]) => left.metadata.labels?.[name] === value)
  );
}
