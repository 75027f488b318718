import type { KubeObject } from "#lib/kube/types.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { methodNotAllowed } from "../errors.ts";
import type { Lookup, ResourceDefinition } from "../resource.ts";
import type { ResourceStore } from "../resource-store.ts";
import type { RuleContext } from "../rules/context.ts";
import { objectToCreate } from "../rules/create.ts";
import { objectToUpdate } from "../rules/update.ts";
import { copyOf } from "../patch/json.ts";
import { type KindHandler, paceOf, type WriteContext } from "./kind-handler.ts";

/** The verbs of a kind that answers for itself: the rules of writes are ours, the rest is the store's. */
export function customKind(options: {
  readonly definition: ResourceDefinition;
  readonly store: ResourceStore;
  readonly runtime: Runtime;
  readonly lookup: Lookup;
}): KindHandler {
  const { definition, store, runtime, lookup } = options;
  const required = <Method extends keyof ResourceStore>(method: Method): NonNullable<ResourceStore[Method]> => {
    const found = store[method]?.bind(store) as ResourceStore[Method];
    if (found === undefined) throw methodNotAllowed(definition, method);
    return found;
  };
  const ruleContext = (context: WriteContext, operation: "create" | "update", subresource: string): RuleContext => ({
    operation,
    subresource,
    user: context.user,
    now: runtime.clock.wall(),
    random: runtime.random,
    fieldValidation: context.fieldValidation,
    ...(context.findings === undefined ? {} : { findings: context.findings }),
    warn: context.warn,
    get: lookup.get,
    list: lookup.list,
  });

  const handler: KindHandler = {
    definition,
    get: async (key, context) => required("get")(key, context),
    list: async (wanted, context) => required("list")(wanted, context),
    watch: async (wanted, sink, context) => required("watch")(wanted, sink, context),
    async create(namespace, body, context) {
      const create = required("create");
      const object = await paceOf(context).run(objectToCreate(definition, body, namespace, ruleContext(context, "create", "")));
      return create(object, context);
    },
    async update({ key, subresource }, bodyOf, context) {
      const update = required("update");
      const old = await required("get")(key, context);
      const rules = ruleContext(context, "update", subresource);
      const pace = paceOf(context);
      const body = copyOf(await pace.run(bodyOf(old)));
      const object = await pace.run(objectToUpdate(definition, body, old, rules));
      return object === old ? old : update(key, object, context);
    },
    async delete(key, _request, context) {
      return { object: await required("delete")(key, context), removed: true };
    },
    async deleteCollection(selection, _request, context) {
      const remove = required("delete");
      const found = await required("list")(selection, context);
      const keyOf = ({ metadata: { namespace = "", name = "" } }: KubeObject) => ({ namespace, name });
      for (const object of found.items) await remove(keyOf(object), context);
      return found;
    },
  };
  return handler;
}
