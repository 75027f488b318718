import { availableParallelism, totalmem } from "node:os";
import { parseQuantity } from "#lib/kube/quantity.ts";
import type { KubeletContainer, KubeletPod } from "./pod.ts";

/** A container's request or limit, as the downward API names it (core/v1 ResourceFieldSelector). */
export interface ResourceRef {
  /** `limits.cpu`, `requests.memory`, … */
  readonly resource: string;
  /** Default: the container that asks. */
  readonly containerName?: string;
  /** The unit of the result; default 1: whole CPUs, bytes. */
  readonly divisor?: string;
}

/**
 * The value in units of the divisor, rounded up. A limit that is not stated is all that the node has. Undefined for a container or a resource that
 * there is not.
 */
export function resourceValue(
  pod: KubeletPod,
  { resource, containerName, divisor }: ResourceRef,
  asking?: KubeletContainer,
): string | undefined {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const container = containerName === undefined || containerName === "" ? asking : all.find(({ name }) => name === containerName);
  const match = /^(limits|requests)\.(.+)$/.exec(resource);
  if (container === undefined || match === null) return undefined;
  const [, kind, name = ""] = match;
  const { limits = {}, requests = {} } = container.resources ?? {};
  const stated = kind === "limits" ? limits[name] : (requests[name] ?? limits[name]);
  const value = stated === undefined ? (kind === "limits" ? (nodeHas()[name] ?? 0) : 0) : parseQuantity(stated);
  const unit = divisor === undefined || divisor === "0" || divisor === "" ? 1 : parseQuantity(divisor);
  if (value === undefined || unit === undefined || unit <= 0) return undefined;
  // Quantities are decimal, numbers are not: 0.3 of 0.1 is three.
  return String(Math.ceil(Number((value / unit).toPrecision(12))));
}

const nodeHas = (): Readonly<Record<string, number>> => ({ cpu: availableParallelism(), memory: totalmem() });
