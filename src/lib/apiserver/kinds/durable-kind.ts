import type { KubeObject } from "#lib/kube/types.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { alreadyExists, internalError, notFound } from "../errors.ts";
import { type Draft, defineResource, type ObjectKey, type ResourceDefinition } from "../resource.ts";
import type { StoreContext } from "../resource-store.ts";
import type { RuleContext } from "../rules/context.ts";
import { objectToCreate } from "../rules/create.ts";
import { deletionOf, isReleased } from "../rules/deletion.ts";
import { objectToUpdate } from "../rules/update.ts";
import type { DurableStore } from "../store/durable-store.ts";
import type { Deleted, KindHandler, WriteContext } from "./kind-handler.ts";
import {
  admitIntoNamespace,
  admitNamespaceDeletion,
  completeNamespace,
  isNamespaces,
  labelNamespace,
  namespaces,
  terminating,
} from "./namespace-lifecycle.ts";

/** A generated name that is taken is made anew this often: with five letters a second collision is a defect, not chance. */
const nameAttempts = 8;

/** The verbs of a kind in the durable store. Every write reads, decides and stages without a pause, so nothing can come between. */
export function durableKind(options: {
  readonly definition: ResourceDefinition;
  readonly store: DurableStore;
  readonly runtime: Runtime;
}): KindHandler {
  const { store, runtime } = options;
  const definition = isNamespaces(options.definition) ? withNamespaceRules(options.definition) : options.definition;
  const collection = store.collection(definition);
  if (collection === undefined) throw internalError(`${definition.resource} is not durable`);
  const hasNamespaces = store.collection(namespaces) !== undefined;

  const ruleContext = (context: WriteContext, operation: "create" | "update", subresource: string): RuleContext => ({
    operation,
    subresource,
    user: context.user,
    now: runtime.clock.wall(),
    random: runtime.random,
    fieldValidation: context.fieldValidation,
    warn: context.warn,
    get: store.get,
    list: store.list,
  });
  const latest = (key: ObjectKey): KubeObject => {
    const object = store.get(definition, key);
    if (object === undefined) throw notFound(definition, key.name);
    return object;
  };
  const put = (object: KubeObject, { dryRun }: StoreContext): Promise<KubeObject> =>
    dryRun ? Promise.resolve(object) : store.put(definition, object);
  const remove = (object: KubeObject, { dryRun }: StoreContext): Promise<KubeObject> =>
    dryRun ? Promise.resolve(object) : store.remove(definition, object);
  const deleteNow = async (object: KubeObject, request: Parameters<KindHandler["delete"]>[1], context: StoreContext): Promise<Deleted> => {
    admitNamespaceDeletion(definition, object.metadata.name ?? "");
    const deletion = deletionOf(definition, object, request, runtime.clock.wall());
    if (deletion.action === "remove") return { object: await remove(deletion.object, context), removed: true };
    if (deletion.action === "nothing") return { object: deletion.object, removed: false };
    const marked = isNamespaces(definition) ? terminating(deletion.object) : deletion.object;
    return { object: await put(marked, context), removed: false };
  };

  return {
    definition,
    get(key) {
      const object = collection.get(`${key.namespace}/${key.name}`);
      if (object === undefined) throw notFound(definition, key.name);
      return object;
    },
    list: (wanted) => collection.list(wanted),
    watch: (wanted, sink) => collection.watch(wanted, sink),
    async create(namespace, body, context) {
      const rules = ruleContext(context, "create", "");
      for (let attempt = 1; ; attempt++) {
        const object = objectToCreate(definition, structuredClone(body), namespace, rules);
        if (definition.namespaced && hasNamespaces) admitIntoNamespace(store, definition, object);
        const name = object.metadata.name ?? "";
        if (store.get(definition, { namespace, name }) === undefined) return put(object, context);
        if (object.metadata.generateName === undefined || attempt === nameAttempts) throw alreadyExists(definition, name);
      }
    },
    async update({ key, subresource }, bodyOf, context) {
      const old = latest(key);
      const body = structuredClone(bodyOf(old));
      const object = objectToUpdate(definition, body, old, ruleContext(context, "update", subresource));
      if (isReleased(object)) return remove(object, context);
      return object === old ? old : put(object, context);
    },
    async delete(key, request, context) {
      return deleteNow(latest(key), request, context);
    },
    async deleteCollection(selection, request, context) {
      const { items, resourceVersion } = collection.list(selection);
      const results = await Promise.allSettled(items.map(async (object) => deleteNow(object, request, context)));
      for (const result of results) if (result.status === "rejected") throw result.reason;
      return { resourceVersion, items };
    },
  };
}

function withNamespaceRules(definition: ResourceDefinition): ResourceDefinition {
  const { prepare = {} } = definition;
  return defineResource({
    ...definition,
    prepare: {
      create(object, context) {
        prepare.create?.(object, context);
        completeNamespace(object);
      },
      update(object, old, context) {
        prepare.update?.(object, old, context);
        labelNamespace(object);
        if (context.subresource !== "finalize") keepFinalizers(object, old);
      },
    },
  });
}

/** Only the `finalize` subresource lets go of a namespace. */
function keepFinalizers(draft: Draft<KubeObject>, old: KubeObject): void {
  Object.assign(draft, { spec: (old as KubeObject & { readonly spec?: unknown }).spec });
}
