import type { KubeClient } from "#lib/kube/client.ts";
import { apiVersionOf, type Resource } from "#lib/kube/resource.ts";
import { selectorMatches } from "#lib/kube/selectors.ts";
import type { KubeObject, LabelSelector, OwnerReference } from "#lib/kube/types.ts";

/** The reference by which `owner` manages what it makes. */
export function controllerReference<Kind extends KubeObject>(resource: Resource<Kind>, { metadata }: Kind): OwnerReference {
  const { name = "", uid = "" } = metadata;
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The owner that manages an object. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/**
 * Takes over objects without a manager that match the owner's selector, and lets go of those of its own that no longer do.
 * Returns what is the owner's afterwards. A relabelled pod so leaves its ReplicaSet and may be looked at in peace.
 */
export async function claim<Owner extends KubeObject, Kind extends KubeObject>(options: {
  readonly client: KubeClient;
  readonly owner: Owner;
  readonly ownerResource: Resource<Owner>;
  readonly selector: LabelSelector;
  readonly resource: Resource<Kind>;
  /** Every object of the owner's namespace. */
  readonly candidates: readonly Kind[];
}): Promise<Kind[]> {
  const { client, owner, ownerResource, selector, resource, candidates } = options;
  const claimed: Kind[] = [];
  for (const object of candidates) {
    const manager = controllerOf(object);
    const matches = selectorMatches(selector, object.metadata.labels);
    const { name = "", namespace, uid, deletionTimestamp } = object.metadata;
    const others = (object.metadata.ownerReferences ?? []).filter((one) => one.uid !== owner.metadata.uid);
    if (manager?.uid === owner.metadata.uid) {
      if (matches) claimed.push(object);
      else await client.patch(resource, { namespace, name }, { metadata: { uid, ownerReferences: others } });
    } else if (manager === undefined && matches && deletionTimestamp === undefined) {
      const ownerReferences = [...others, controllerReference(ownerResource, owner)];
      claimed.push(await client.patch<Kind>(resource, { namespace, name }, { metadata: { uid, ownerReferences } }));
    }
  }
  return claimed;
}
