import { namespaces } from "#lib/kube/kinds.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { pathOf } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { contentFinalizer } from "../kinds/namespace.ts";
import type { ControllerContext } from "./cluster.ts";
import { deletableKinds } from "./discovery.ts";

/** Asks again after this long when something other than a pod is still there; pods announce their own end. */
const retry = seconds(1);

/** Empties a namespace that is being deleted, then lets it go. */
export function runNamespaces({ runtime, client, signal, cluster }: ControllerContext): void {
  const work = async (name: string): Promise<void> => {
    const namespace = cluster.namespaces.get(name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    const finalizers = namespace.spec?.finalizers ?? [];
    if (!finalizers.includes(contentFinalizer)) return;
    const { kinds, silent } = await deletableKinds(client);
    if (silent.length > 0)
      runtime.logger.warn("API groups do not answer; what they hold in the namespace is left to them", { namespace: name, groups: silent });
    // Events last: the end of other objects still makes some.
    for (const last of [false, true]) {
      const round = kinds.filter(({ plural }) => (plural === "events") === last);
      await Promise.all(
        round.map((kind) => client.json({ method: "DELETE", path: pathOf(kind, { namespace: name }), body: JSON.stringify({}) })),
      );
    }
    const left = await Promise.all(kinds.map(async (kind) => (await client.list(kind, { namespace: name })).items.length));
    if (left.some((count) => count > 0)) {
      queue.addAfter(name, retry);
      return;
    }
    const spec = { ...namespace.spec, finalizers: finalizers.filter((finalizer) => finalizer !== contentFinalizer) };
    try {
      await client.update(namespaces, { ...namespace, spec }, { subresource: "finalize" });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };
  const queue = createWorkqueue({ runtime, name: "namespaces", work, signal });
  cluster.namespaces.subscribe(({ key, after }) => after?.metadata.deletionTimestamp !== undefined && queue.add(key), { replay: true });
  cluster.pods.subscribe(({ before, after }) => {
    const namespace = before?.metadata.namespace ?? "";
    if (after === undefined && cluster.namespaces.get(namespace)?.metadata.deletionTimestamp !== undefined) queue.add(namespace);
  });
}
