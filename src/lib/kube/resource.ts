import type { KubeObject } from "./types.ts";

/** Where objects of one kind live in a Kubernetes API. `Kind` is a type only: the shape of the objects. */
export interface Resource<Kind extends KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set; ties the type to the value. */
  readonly shape?: Kind;
}

/** `v1`, `apps/v1`. */
export function apiVersionOf(resource: Pick<Resource<KubeObject>, "group" | "version">): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** The path of a collection, or of one object when `name` is given: `/apis/apps/v1/namespaces/shop/deployments/web/scale`. */
export function pathOf(
  resource: Resource<KubeObject>,
  target: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string } = {},
): string {
  const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const parts = [root];
  if (resource.namespaced && target.namespace !== undefined) parts.push("namespaces", encodeURIComponent(target.namespace));
  parts.push(resource.plural);
  if (target.name !== undefined) parts.push(encodeURIComponent(target.name));
  if (target.subresource !== undefined) parts.push(target.subresource);
  return parts.join("/");
}

/** `namespace/name`, or `name` alone for cluster-scoped objects: the key of objects in tables and queues. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined || namespace === "" ? (name ?? "") : `${namespace}/${name}`;
}

/** Undoes {@link keyOf}. */
export function nameOfKey(key: string): ObjectName {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
