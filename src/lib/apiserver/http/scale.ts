import type { KubeObject, LabelSelector } from "#lib/kube/types.ts";
import { formatRequirements, requirementsOf } from "#lib/kube/selectors.ts";
import { badRequest, conflict, invalidObject } from "../errors.ts";
import { invalid } from "../field-error.ts";
import type { ScalePaths } from "../resource.ts";

const scaleKind = { group: "autoscaling", kind: "Scale" };

/** The `autoscaling/v1 Scale` view of an object. */
export function scaleOf(paths: ScalePaths, object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const metadata = JSON.parse(JSON.stringify({ name, namespace, uid, resourceVersion, creationTimestamp })) as KubeObject["metadata"];
  const selector = paths.selector === undefined ? undefined : selectorText(at(object, paths.selector));
  const scale = {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata,
    spec: { replicas: number(at(object, paths.specReplicas)) },
    status: { replicas: number(at(object, paths.statusReplicas)), ...(selector === undefined ? {} : { selector }) },
  };
  return scale;
}

/** A copy of the object with the number of replicas that `scale` asks for. Throws {@link StatusError} for what is no scale of it. */
export function withScale(paths: ScalePaths, object: KubeObject, scale: unknown): KubeObject {
  if (typeof scale !== "object" || scale === null) throw badRequest("the body of the request must be a Scale");
  const { name = "", uid, resourceVersion } = object.metadata;
  const { metadata = {}, spec = {} } = scale as {
    metadata?: KubeObject["metadata"] | undefined;
    spec?: { replicas?: unknown } | undefined;
  };
  const resource = { group: scaleKind.group, resource: "scales" };
  if (metadata.resourceVersion && metadata.resourceVersion !== resourceVersion) throw conflict(resource, name);
  if (metadata.uid && metadata.uid !== uid) throw conflict(resource, name, `the UID is ${uid}, not ${metadata.uid}`);
  const replicas = spec.replicas ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0 || replicas > 2 ** 31 - 1)
    throw invalidObject(scaleKind, name, [invalid("spec.replicas", replicas, "must be a non-negative 32-bit integer")]);
  const copy = structuredClone(object);
  const parent = at(copy, paths.specReplicas.slice(0, -1)) as Record<string, unknown> | undefined;
  if (parent !== undefined) parent[paths.specReplicas.at(-1) ?? ""] = replicas;
  return copy;
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, field) => (inner as Record<string, unknown> | undefined)?.[field], value);
}

const number = (value: unknown): number => (typeof value === "number" ? value : 0);

/** In text form, whether the object holds a selector, a map of labels or already the text. */
function selectorText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return undefined;
  const isSelector = "matchLabels" in value || "matchExpressions" in value;
  const selector = (isSelector ? value : { matchLabels: value }) as LabelSelector;
  return formatRequirements(requirementsOf(selector));
}
