import type { KubeletConfig } from "./config.ts";
import type { KubeletPod } from "./pod.ts";

/** Where the downward API takes values from besides the pod itself. */
export interface FieldSource {
  readonly config: KubeletConfig;
  readonly pod: KubeletPod;
  /** As the sandbox has them now: the API may not know them yet. */
  readonly podIps: readonly string[];
}

/** The value of a `fieldRef`, or undefined for a path that the downward API does not have. */
export function fieldValue({ config, pod, podIps }: FieldSource, fieldPath: string): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed !== null) return pod.metadata[keyed[1] === "labels" ? "labels" : "annotations"]?.[keyed[2] ?? ""] ?? "";
  const { metadata, spec } = pod;
  const values: Readonly<Record<string, string>> = {
    "metadata.name": metadata.name ?? "",
    "metadata.namespace": metadata.namespace ?? "",
    "metadata.uid": metadata.uid ?? "",
    "metadata.labels": formatMap(metadata.labels),
    "metadata.annotations": formatMap(metadata.annotations),
    "spec.nodeName": spec.nodeName ?? config.nodeName,
    "spec.serviceAccountName": spec.serviceAccountName ?? "default",
    "status.podIP": podIps[0] ?? "",
    "status.podIPs": podIps.join(","),
    "status.hostIP": config.nodeAddresses[0] ?? "",
    "status.hostIPs": config.nodeAddresses.join(","),
  };
  return Object.hasOwn(values, fieldPath) ? values[fieldPath] : undefined;
}

/** One `key="value"` per line, sorted, as files of the downward API have it. */
function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join("\n");
}
