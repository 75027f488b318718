import type { KubeObject } from "#lib/kube/types.ts";
import { forbidden, namespaceTerminating, notFound } from "../errors.ts";
import type { Draft, Lookup, ResourceDefinition, ResourceRef } from "../resource.ts";

export const namespaces: ResourceRef = { group: "", resource: "namespaces" };

/** Namespaces that a cluster does not work without. */
const immortal = new Set(["default", "kube-system", "kube-public"]);

const nameLabel = "kubernetes.io/metadata.name";

/** Objects are only made in namespaces that exist and stay. Holds where the server has namespaces at all. */
export function admitIntoNamespace(lookup: Lookup, definition: ResourceDefinition, object: KubeObject): void {
  const { namespace = "", name = "" } = object.metadata;
  const found = lookup.get(namespaces, { namespace: "", name: namespace });
  if (found === undefined) throw notFound(namespaces, namespace);
  if (found.metadata.deletionTimestamp !== undefined) throw namespaceTerminating(definition, name, namespace);
}

export function admitNamespaceDeletion(definition: ResourceDefinition, name: string): void {
  if (isNamespaces(definition) && immortal.has(name)) throw forbidden(definition, name, "this namespace may not be deleted");
}

export const isNamespaces = ({ group, resource }: ResourceRef): boolean => group === "" && resource === "namespaces";

interface Namespace extends KubeObject {
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly phase?: string };
}

/** A new namespace carries its name as a label (selectors of policies rely on it) and is held until its content is gone. */
export function completeNamespace(draft: Draft<KubeObject>): void {
  const namespace = draft as Draft<Namespace>;
  labelNamespace(namespace);
  namespace.spec = { finalizers: ["kubernetes"] };
  namespace.status = { phase: "Active" };
}

export function labelNamespace({ metadata }: Draft<KubeObject>): void {
  metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name ?? "" };
}

/** A namespace marked for deletion says so in its phase. */
export function terminating(object: KubeObject): KubeObject {
  return { ...object, status: { ...(object as Namespace).status, phase: "Terminating" } } as Namespace;
}
