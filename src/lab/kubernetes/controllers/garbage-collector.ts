import { isNotFound } from "#lib/kube/errors.ts";
import { keyOf } from "#lib/kube/resource.ts";
import type { KubeObject, OwnerReference } from "#lib/kube/types.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { ControllerContext, Followed } from "./cluster.ts";
import { followCustomKinds } from "./custom-kinds.ts";

const foreground = "foregroundDeletion";
const orphan = "orphan";

/** Deletes what has lost its last owner; carries out foreground and orphan deletion. */
export function runGarbageCollector({ runtime, client, signal, cluster }: ControllerContext): void {
  const kinds = new Map<string, Followed>();
  const dependentsOf = (uid: string) =>
    [...kinds.values()].flatMap((followed) => followed.table.by("owner", uid).map((object) => ({ ...followed, object })));
  const ignoreGone = async (write: () => Promise<unknown>): Promise<void> => {
    try {
      await write();
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  /** Whether the owner is gone for certain: unknown kinds count as there. */
  const isGone = async (owner: OwnerReference, namespace: string | undefined): Promise<boolean> => {
    // Whatever version the owner was named in: a custom kind is followed in one.
    const [group = ""] = owner.apiVersion.includes("/") ? owner.apiVersion.split("/") : [""];
    const followed = [...kinds.values()].find(({ resource }) => resource.kind === owner.kind && resource.group === group);
    if (followed === undefined) return false;
    if (followed.table.by("uid", owner.uid).length > 0) return false;
    const target = { name: owner.name, ...(followed.resource.namespaced ? { namespace } : {}) };
    try {
      return (await client.get(followed.resource, target)).metadata.uid !== owner.uid;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  };

  const remove = ({ resource }: Followed, { metadata }: KubeObject, propagationPolicy: "Background" | "Foreground"): Promise<void> => {
    const { name = "", namespace, uid = "" } = metadata;
    return ignoreGone(() => client.delete(resource, { namespace, name }, { propagationPolicy, preconditions: { uid } }));
  };
  const patchMetadata = ({ resource }: Pick<Followed, "resource">, { metadata }: KubeObject, change: object): Promise<void> => {
    const { name = "", namespace, uid, resourceVersion } = metadata;
    return ignoreGone(() => client.patch(resource, { namespace, name }, { metadata: { uid, resourceVersion, ...change } }));
  };

  const collect = async (followed: Followed, object: KubeObject): Promise<void> => {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const gone = await Promise.all(owners.map((owner) => isGone(owner, object.metadata.namespace)));
    const left = owners.filter((_, index) => !gone[index]);
    if (left.length === owners.length) return;
    if (left.length === 0) await remove(followed, object, "Background");
    else await patchMetadata(followed, object, { ownerReferences: left });
  };

  const finish = async (followed: Followed, object: KubeObject): Promise<void> => {
    const { deletionTimestamp, finalizers = [], uid = "" } = object.metadata;
    if (deletionTimestamp === undefined) return;
    const dependents = dependentsOf(uid);
    if (finalizers.includes(orphan)) {
      for (const dependent of dependents)
        await patchMetadata(dependent, dependent.object, {
          ownerReferences: (dependent.object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid),
        });
      await patchMetadata(followed, object, { finalizers: finalizers.filter((finalizer) => finalizer !== orphan) });
    } else if (finalizers.includes(foreground)) {
      const blocking = dependents.filter((dependent) =>
        dependent.object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
      );
      const alive = dependents.filter((dependent) => dependent.object.metadata.deletionTimestamp === undefined);
      await Promise.all(alive.map((dependent) => remove(dependent, dependent.object, "Foreground")));
      if (blocking.length === 0)
        await patchMetadata(followed, object, { finalizers: finalizers.filter((finalizer) => finalizer !== foreground) });
    }
  };

  const work = async (key: string): Promise<void> => {
    const [kind = "", ...rest] = key.split("|");
    const followed = kinds.get(kind);
    const object = followed?.table.get(rest.join("|"));
    if (followed === undefined || object === undefined) return;
    await collect(followed, object);
    await finish(followed, object);
  };
  const queue = createWorkqueue({ runtime, name: "garbage", work, signal });
  const add = ({ resource }: Pick<Followed, "resource">, object: KubeObject): void => queue.add(`${nameOf(resource)}|${keyOf(object)}`);

  const follow = (followed: Followed): void => {
    kinds.set(nameOf(followed.resource), followed);
    followed.table.subscribe(
      ({ before, after }) => {
        const object = after ?? before;
        if (object === undefined) return;
        if (after !== undefined) {
          const { ownerReferences = [], deletionTimestamp } = after.metadata;
          if (before === undefined ? ownerReferences.length > 0 || deletionTimestamp !== undefined : deletionTimestamp !== undefined)
            add(followed, after);
          return;
        }
        for (const dependent of dependentsOf(object.metadata.uid ?? "")) add(dependent, dependent.object);
        for (const owner of object.metadata.ownerReferences ?? [])
          for (const one of kinds.values())
            for (const found of one.table.by("uid", owner.uid)) if (found.metadata.deletionTimestamp !== undefined) add(one, found);
      },
      { replay: true },
    );
  };
  for (const followed of cluster.all) follow(followed);
  followCustomKinds({ runtime, client, signal }, { begins: follow, ends: ({ resource }) => void kinds.delete(nameOf(resource)) });
}

/** Kinds of two groups may have the same plural. */
const nameOf = ({ plural, group }: Followed["resource"]): string => `${plural}.${group}`;
