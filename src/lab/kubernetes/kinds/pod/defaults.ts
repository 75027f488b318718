import { applyDefaults } from "#lib/apiserver/openapi/defaults.ts";
import type { Draft } from "#lib/apiserver/resource.ts";
import { podSpec } from "./pod-spec.ts";
import type { FullContainer, FullPodSpec } from "./types.ts";
import { volumeSources } from "./volume.ts";

/** Defaults of a pod's spec, in a pod as well as in a template. Those that only pods get are in {@link defaultPod}. */
export function defaultPodSpec(spec: Draft<FullPodSpec>): void {
  applyDefaults(podSpec, spec);
  if (spec.serviceAccountName === undefined && spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName;
  for (const volume of spec.volumes ?? []) if (!volumeSources.some((source) => volume[source] != null)) volume.emptyDir = {};
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])])
    defaultContainer(container, spec.hostNetwork === true);
}

export function defaultPod(spec: Draft<FullPodSpec>): void {
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
}

function defaultContainer(container: Draft<FullContainer>, hostNetwork: boolean): void {
  container.imagePullPolicy ??= isLatest(container.image ?? "") ? "Always" : "IfNotPresent";
  if (hostNetwork) for (const port of container.ports ?? []) port.hostPort ??= port.containerPort;
  const { limits, requests } = container.resources ?? {};
  if (limits !== undefined)
    container.resources = { ...container.resources, limits: texts(limits), requests: texts({ ...limits, ...requests }) };
  else if (requests !== undefined) container.resources = { ...container.resources, requests: texts(requests) };
}

/** Quantities may be written as numbers; they are kept as text. */
const texts = (amounts: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, String(amount)]));

/** Without tag or digest, or tagged `latest`: such an image may change at any time. */
function isLatest(image: string): boolean {
  if (image.includes("@")) return false;
  const [, tag = "latest"] = image.slice(image.lastIndexOf("/") + 1).split(":");
  return tag === "latest";
}
