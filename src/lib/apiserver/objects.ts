import { inOnePart } from "#lib/runtime/parts.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { compareVersions } from "./discovery/version-order.ts";
import { notFound } from "./errors.ts";
import { withEscalationChecks } from "./auth/escalation.ts";
import { customKind } from "./kinds/custom-kind.ts";
import type { ServedVersion } from "./kinds/conversion.ts";
import { type DurableKindOptions, durableKind } from "./kinds/durable-kind.ts";
import type { KindHandler, WriteContext } from "./kinds/kind-handler.ts";
import { isNamespaces } from "./kinds/namespace-lifecycle.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Admission, AdmissionSources } from "./webhooks/admission.ts";
import { copyOf } from "./patch/json.ts";
import { qualifiedName, type ResourceDefinition, type ResourceRef } from "./resource.ts";
import type { StoreContext } from "./resource-store.ts";
import { memoryStorage, type Storage } from "./storage/storage.ts";
import { type DurableStore, openStore } from "./store/durable-store.ts";

/** The kinds of a server and their objects: what the server publishes, and what its own parts read and write. */
export interface Objects extends ObjectStore {
  /** Another array when kinds come or go. */
  readonly definitions: readonly ResourceDefinition[];
  /** The verbs of a kind; undefined when it is not served in that version. */
  kind(resource: ResourceRef & { readonly version: string }): KindHandler | undefined;
  /** Serves the versions of one more durable kind; those of the same name that were served until now go. */
  serveVersions(stored: ResourceDefinition, versions: readonly ServedVersion[], options: Pick<DurableKindOptions, "admitCreate">): void;
  /** Serves the kind no longer. Its objects must be gone. */
  endVersions(resource: ResourceRef): void;
  readonly store: DurableStore;
  /** Who is asked before a request is carried out. */
  readonly admission?: Admission;
  /** Removes the objects that their kinds call expired. */
  removeExpired(): Promise<void>;
}

export interface ObjectsOptions {
  readonly runtime: Runtime;
  readonly resources: readonly ResourceDefinition[];
  /** Who is asked before objects of durable kinds are written and connections are made. Default: nobody. */
  readonly admission?: (sources: Omit<AdmissionSources, "random">) => Admission;
  /** Where durable kinds live. Default: in memory only. */
  readonly storage?: Storage;
}

/** Loads the objects from storage. Throws `StorageNotUsable`. */
export function openObjects({ runtime, resources, storage = memoryStorage(), admission: admissionFor }: ObjectsOptions): Objects {
  let definitions = resources.map(withServerRules);
  const store = openStore({ storage, definitions });
  /** Every version of the kinds that were added while the server runs. */
  const added = new Map<string, readonly ServedVersion[]>();
  const versionsOf = (resource: ResourceRef): readonly ServedVersion[] => added.get(qualifiedName(resource)) ?? [];
  const admission = admissionFor?.({ lookup: store, versionsOf });
  const asking = admission === undefined ? {} : { admission };
  const handlers = new Map(
    definitions.map((definition) => [
      handlerName(definition),
      definition.store === "durable"
        ? durableKind({ definition, store, runtime, ...asking })
        : customKind({ definition, store: definition.store, runtime, lookup: store }),
    ]),
  );
  const handlerOf = (resource: ResourceRef): KindHandler => {
    const definition = definitions.find(({ group, resource: name }) => group === resource.group && name === resource.resource);
    const handler = definition && handlers.get(handlerName(definition));
    if (handler === undefined) throw notFound(resource, "");
    return handler;
  };
  const asWrite = (context: StoreContext): WriteContext => ({ ...context, fieldValidation: "Ignore" });

  const endVersions = (resource: ResourceRef): void => {
    for (const definition of definitions.filter((one) => sameResource(one, resource))) handlers.delete(handlerName(definition));
    definitions = definitions.filter((one) => !sameResource(one, resource));
    added.delete(qualifiedName(resource));
  };

  return {
    get definitions() {
      return definitions;
    },
    store,
    ...asking,
    kind: (wanted) => handlers.get(handlerName(wanted)),
    serveVersions(stored, versions, options) {
      store.addCollection(stored);
      endVersions(stored);
      added.set(qualifiedName(stored), versions);
      for (const { definition, conversion } of versions)
        handlers.set(handlerName(definition), durableKind({ definition, store, runtime, conversion, ...asking, ...options }));
      const [builtIn, custom] = [false, true].map((wanted) => definitions.filter((one) => (one.custom !== undefined) === wanted));
      const latest = versions.map(({ definition }) => definition);
      // discovery prefers the first version of a group
      const ordered = [...(custom ?? []), ...latest].sort((left, right) => compareVersions(left.version, right.version));
      definitions = [...(builtIn ?? []), ...ordered];
    },
    endVersions(resource) {
      endVersions(resource);
      store.removeCollection(resource);
    },
    get: store.get,
    list: store.list,
    create: async (resource, object, context) => handlerOf(resource).create(object.metadata.namespace ?? "", object, asWrite(context)),
    update: async (resource, key, change, { subresource, ...context }) =>
      handlerOf(resource).update(
        { key, subresource },
        inOnePart((present) => {
          const draft = copyOf(present);
          change(draft as never);
          return draft;
        }),
        asWrite(context),
      ),
    async removeExpired() {
      const now = runtime.clock.wall();
      for (const definition of definitions) {
        if (definition.expired === undefined) continue;
        const expired = [...store.list(definition)].filter((object) => definition.expired?.(object, now));
        await Promise.all(expired.map((object) => store.remove(definition, object)));
      }
    },
    delete: async (resource, key, request, context) => (await handlerOf(resource).delete(key, request, context)).object,
  };
}

const handlerName = ({ group, version, resource }: ResourceRef & { readonly version: string }): string => `${group}/${version}/${resource}`;

const sameResource = (left: ResourceRef, right: ResourceRef): boolean => left.group === right.group && left.resource === right.resource;

/** What this server knows of kinds that it has a part in itself. */
function withServerRules(definition: ResourceDefinition): ResourceDefinition {
  if (isNamespaces(definition) && definition.store === "durable") return withFinalize(definition);
  // named VERSION.GROUP, for the core group too, where that is no subdomain: "v1."
  if (definition.group === "apiregistration.k8s.io" && definition.resource === "apiservices")
    return { ...definition, nameRule: "path-segment" };
  return withEscalationChecks(definition);
}

/** Namespaces get the subresource that lets them go: only it changes `spec.finalizers`. */
function withFinalize(definition: ResourceDefinition): ResourceDefinition {
  const finalize = {
    kind: "Namespace",
    verbs: ["update"],
    update: async ({ objects, key, ...context }, body) => {
      const { resourceVersion, uid } = body.metadata;
      return objects.update(
        definition,
        key,
        (draft) => {
          draft.spec = (body as { readonly spec?: unknown }).spec ?? {};
          if (resourceVersion !== undefined) draft.metadata.resourceVersion = resourceVersion;
          if (uid !== undefined) draft.metadata.uid = uid;
        },
        { ...context, subresource: "finalize" },
      );
    },
  } satisfies NonNullable<NonNullable<ResourceDefinition["subresources"]>["custom"]>[string];
  return { ...definition, subresources: { ...definition.subresources, custom: { ...definition.subresources?.custom, finalize } } };
}
