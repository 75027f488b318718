import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import type { Parts } from "#lib/runtime/parts.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { alreadyExists, badRequest, comeBackLater, conflict, internalError, notFound } from "../errors.ts";
import { type Draft, type DraftObject, defineResource, type ObjectKey, type ResourceDefinition } from "../resource.ts";
import type { DeleteOptions } from "../object-store.ts";
import type { Awaitable, StoreContext, StoreList, StoreListOptions } from "../resource-store.ts";
import type { RuleContext } from "../rules/context.ts";
import { applyConfiguration } from "../managed-fields/managers.ts";
import type { JsonObject } from "../openapi/schema.ts";
import { copyOf } from "../patch/json.ts";
import { objectToCreate, timestamp } from "../rules/create.ts";
import { deletionOf, isReleased } from "../rules/deletion.ts";
import { decode } from "../rules/decode.ts";
import { objectToUpdate } from "../rules/update.ts";
import type { DurableStore } from "../store/durable-store.ts";
import type { Admission, AdmissionRequest } from "../webhooks/admission.ts";
import { type Conversion, convertingSink, convertOne } from "./conversion.ts";
import { type Deleted, type KindHandler, paceOf, type WriteContext, type WriteTarget } from "./kind-handler.ts";
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

/** An update is decided again this often when the object changes while a webhook is asked. */
const updateAttempts = 5;

export interface DurableKindOptions {
  readonly definition: ResourceDefinition;
  readonly store: DurableStore;
  readonly runtime: Runtime;
  /** Absent: objects are stored as they are served. */
  readonly conversion?: Conversion;
  /** Who is asked before objects are written. Absent: nobody. */
  readonly admission?: Admission;
  /** Refuses, by throwing, to make objects of a kind that goes. */
  readonly admitCreate?: () => void;
}

/**
 * The verbs of a kind in the durable store. A write reads, decides and stages without a pause, so nothing can come between; where a webhook must be
 * asked in the middle, or the object is so wide that the work rests, the object is looked at again afterwards, and the write is decided anew when it has
 * changed.
 */
export function durableKind(options: DurableKindOptions): KindHandler {
  const { store, runtime, conversion, admission } = options;
  const definition = isNamespaces(options.definition) ? withNamespaceRules(options.definition) : options.definition;
  const collection = store.collection(definition);
  if (collection === undefined) throw internalError(`${definition.resource} is not durable`);
  const hasNamespaces = store.collection(namespaces) !== undefined;

  const ruleContext = (context: WriteContext, operation: "create" | "update", subresource: string): RuleContext => ({
    operation,
    subresource,
    ...(context.fieldManager === undefined ? {} : { fieldManager: context.fieldManager }),
    user: context.user,
    now: runtime.clock.wall(),
    random: runtime.random,
    fieldValidation: context.fieldValidation,
    ...(context.findings === undefined ? {} : { findings: context.findings }),
    warn: context.warn,
    get: store.get,
    list: store.list,
  });
  const latest = (key: ObjectKey): KubeObject => {
    const object = store.get(definition, key);
    if (object === undefined) throw notFound(definition, key.name);
    return object;
  };
  const served = (stored: KubeObject): Awaitable<KubeObject> => (conversion === undefined ? stored : convertOne(conversion, stored));
  const put = async (stored: KubeObject, { dryRun }: StoreContext): Promise<KubeObject> =>
    served(dryRun ? stored : await store.put(definition, stored));
  const remove = async (stored: KubeObject, { dryRun }: StoreContext): Promise<KubeObject> =>
    served(dryRun ? stored : await store.remove(definition, stored));
  const deleteNow = async (stored: KubeObject, request: Parameters<KindHandler["delete"]>[1], context: StoreContext): Promise<Deleted> => {
    admitNamespaceDeletion(definition, stored.metadata.name ?? "");
    const deletion = deletionOf(definition, stored, request, runtime.clock.wall());
    if (deletion.action === "remove") return { object: await remove(deletion.object, context), removed: true };
    if (deletion.action === "nothing") return { object: await served(deletion.object), removed: false };
    const marked = isNamespaces(definition) ? terminating(deletion.object) : deletion.object;
    return { object: await put(marked, context), removed: false };
  };
  const list = (wanted: StoreListOptions): Awaitable<StoreList> => {
    const found = collection.list(wanted);
    const items = conversion?.fromStored(found.items) ?? found.items;
    return items instanceof Promise ? items.then((converted) => ({ ...found, items: converted })) : { ...found, items };
  };

  const mutated = async (asked: AdmissionRequest, draft: DraftObject): Promise<unknown> => {
    if (definition.namespaced) draft.metadata.namespace ??= asked.namespace;
    return admission?.mutate({ ...asked, object: draft as KubeObject });
  };
  const admitDelete = async (stored: KubeObject, request: DeleteOptions, context: StoreContext): Promise<void> => {
    const { namespace = "", name = "" } = stored.metadata;
    const asked = admissionOf("DELETE", { key: { namespace, name }, subresource: "" }, context, request);
    if (asked === undefined) return;
    const oldObject = await served(stored);
    await admission?.mutate({ ...asked, oldObject });
    await admission?.validate({ ...asked, oldObject });
  };

  /** Whether what the kind hands out (addresses) is still as the hooks of a write have seen it. */
  const takenBefore = (): { may(): boolean } => {
    if (!definition.allocates) return always;
    const before = store.changes(definition);
    return { may: () => store.changes(definition) === before };
  };
  interface Write {
    readonly context: WriteContext;
    readonly rules: RuleContext;
  }
  /** What webhooks are told of a write; undefined when none of them wants to know. */
  const admissionOf = (
    operation: AdmissionRequest["operation"],
    { key, subresource }: WriteTarget,
    { user, dryRun, warn, admitted, parameters }: StoreContext,
    deletion?: DeleteOptions,
  ): AdmissionRequest | undefined => {
    if (admitted || !admission?.concerns({ definition, operation, subresource })) return undefined;
    const namespace = isNamespaces(definition) ? key.name : key.namespace;
    const options = (deletion ?? pick(parameters, ["fieldManager", "fieldValidation"])) as JsonObject;
    return { definition, operation, subresource, ...key, namespace, user, dryRun, options, warn };
  };
  const create = async (namespace: string, given: unknown, { context, rules }: Write): Promise<KubeObject> => {
    options.admitCreate?.();
    const pace = paceOf(context);
    const asked = admissionOf("CREATE", { key: { namespace, name: nameOf(given) }, subresource: "" }, context);
    const body = asked === undefined ? given : await mutated(asked, await pace.run(decode(definition, copyOf(given), rules)));
    for (let attempt = 1; ; attempt++) {
      const taken = takenBefore();
      const made = pace.run(objectToCreate(definition, copyOf(body), namespace, rules));
      const object = made instanceof Promise ? await made : made;
      const name = object.metadata.name ?? "";
      if (asked !== undefined) await admission?.validate({ ...asked, object, name });
      const converted = conversion?.toStored(object) ?? object;
      const stored = converted instanceof Promise ? await converted : converted;
      const rest = pace.rest();
      if (rest !== undefined) await rest;
      // what was true before a rest need not be true after it
      options.admitCreate?.();
      if (definition.namespaced && hasNamespaces) admitIntoNamespace(store, definition, object);
      if (taken.may()) {
        if (store.get(definition, { namespace, name }) === undefined) return put(stored, context);
        if (object.metadata.generateName === undefined || attempt === nameAttempts) throw alreadyExists(definition, name);
      } else if (attempt >= updateAttempts) throw comeBackLater(`others of its kind are written all the time`, 1);
    }
  };
  const update = async (
    target: WriteTarget,
    bodyOf: (present: KubeObject) => Parts<unknown>,
    { context, rules }: Write,
  ): Promise<KubeObject> => {
    const { key } = target;
    const pace = paceOf(context);
    for (let attempt = 1; ; attempt++) {
      const before = latest(key);
      const present = served(before);
      const old = present instanceof Promise ? await present : present;
      const taken = takenBefore();
      const wanted = pace.run(bodyOf(old));
      const given = draftOf(wanted instanceof Promise ? await wanted : wanted, old);
      const asked = admissionOf("UPDATE", target, context);
      const body =
        asked === undefined ? given : copyOf(await mutated({ ...asked, oldObject: old }, await pace.run(decode(definition, given, rules))));
      const made = pace.run(objectToUpdate(definition, body, old, rules));
      const object = made instanceof Promise ? await made : made;
      if (asked !== undefined) await admission?.validate({ ...asked, object, oldObject: old });
      if (object === old) return old;
      const converted = conversion?.toStored(object) ?? object;
      const stored = converted instanceof Promise ? await converted : converted;
      const rest = pace.rest();
      if (rest !== undefined) await rest;
      if (latest(key) === before && taken.may()) return isReleased(stored) ? remove(stored, context) : put(stored, context);
      if (attempt === updateAttempts) throw conflict(definition, key.name);
    }
  };

  return {
    definition,
    get(key) {
      const object = collection.get(`${key.namespace}/${key.name}`);
      if (object === undefined) throw notFound(definition, key.name);
      return served(object);
    },
    list,
    watch: (wanted, sink) =>
      collection.watch(wanted, conversion === undefined ? sink : convertingSink(sink, conversion, apiVersionOf(definition))),
    create: (namespace, body, context) => create(namespace, body, { context, rules: ruleContext(context, "create", "") }),
    update: (target, bodyOf, context) => update(target, bodyOf, { context, rules: ruleContext(context, "update", target.subresource) }),
    async apply(target, { config, force, mayCreate }, context) {
      const { key, subresource } = target;
      const applied = { fieldManager: { applied: true } } as const;
      const writer = { manager: context.fieldManager, subresource, time: timestamp(runtime.clock.wall()) };
      if (store.get(definition, key) === undefined) {
        if (subresource !== "") throw notFound(definition, key.name);
        await mayCreate();
        const { uid, name = key.name } = (config.metadata ?? {}) as KubeObject["metadata"];
        if (name !== key.name) throw badRequest(`the name of the object (${name}) does not match the name on the URL (${key.name})`);
        if (uid)
          throw conflict(definition, key.name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`);
        const live = { metadata: { managedFields: [] } };
        const fresh = await paceOf(context).run(applyConfiguration(definition, { live, config, force }, writer));
        const { metadata = {}, apiVersion, kind } = config;
        const body = {
          apiVersion,
          kind,
          ...fresh,
          metadata: { ...(fresh.metadata as JsonObject), ...(metadata as JsonObject), name: key.name },
        };
        const object = await create(key.namespace, body, { context, rules: { ...ruleContext(context, "create", ""), ...applied } });
        return { object, created: true };
      }
      const bodyOf = function* (live: KubeObject): Parts<JsonObject> {
        return withIdentity(yield* applyConfiguration(definition, { live, config, force }, writer), config);
      };
      const object = await update(target, bodyOf, { context, rules: { ...ruleContext(context, "update", subresource), ...applied } });
      return { object, created: false };
    },
    async delete(key, request, context) {
      await admitDelete(latest(key), request, context);
      return deleteNow(latest(key), request, context);
    },
    async deleteCollection(selection, request, context) {
      const { items, resourceVersion } = collection.list(selection);
      const results = await Promise.allSettled(
        items.map(async (object) => {
          await admitDelete(object, request, context);
          return deleteNow(object, request, context);
        }),
      );
      for (const result of results) if (result.status === "rejected") throw result.reason;
      return { resourceVersion, items: (await conversion?.fromStored(items)) ?? items };
    },
  };
}

/** A copy that may be changed, but for owners that are still those of `old`: they never change in place, and may be more than all the rest. */
function draftOf(body: unknown, { metadata: { managedFields } }: KubeObject): unknown {
  const { metadata } = (body ?? {}) as Partial<KubeObject>;
  if (managedFields === undefined || metadata?.managedFields !== managedFields) return copyOf(body);
  const { managedFields: _same, ...rest } = metadata;
  return { ...copyOf({ ...(body as KubeObject), metadata: rest }), metadata: { ...copyOf(rest), managedFields } };
}

const always = { may: () => true };

const pick = (parameters: URLSearchParams, names: readonly string[]): object =>
  Object.fromEntries(names.flatMap((name) => (parameters.get(name) ? [[name, parameters.get(name)]] : [])));

const nameOf = (body: unknown): string => {
  const name = (body as Partial<KubeObject> | undefined)?.metadata?.name;
  return typeof name === "string" ? name : "";
};

/** What the configuration says of identity and version is checked against the present object, as in every update. */
function withIdentity(body: JsonObject, { metadata = {} }: JsonObject): JsonObject {
  const { name, namespace, uid, resourceVersion } = metadata as KubeObject["metadata"];
  const given = Object.entries({ name, namespace, uid, resourceVersion }).filter(([, value]) => value !== undefined);
  return { ...body, metadata: { ...(body.metadata as JsonObject), ...(Object.fromEntries(given) as JsonObject) } };
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
