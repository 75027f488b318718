import { isDeepStrictEqual } from "node:util";
import { apiVersionOf } from "#lib/kube/resource.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { asServer } from "../auth/bootstrap.ts";
import { internalError, StatusError } from "../errors.ts";
import type { Random } from "#lib/runtime/random.ts";
import { type Conversion, defaulting, relabelling, type ServedVersion } from "../kinds/conversion.ts";
import { webhookConversion } from "../webhooks/conversion.ts";
import type { Objects } from "../objects.ts";
import type { JsonSchema } from "../openapi/schema.ts";
import type { Lookup, ResourceDefinition, ResourceRef } from "../resource.ts";
import { resourceOfVersion } from "./resource-of-version.ts";
import { type CustomResourceDefinition, cleanupFinalizer, customResourceDefinitions, isEstablished } from "./types.ts";

/** How often objects of a definition that goes are looked for again, while finalizers hold them. */
const cleanupInterval = seconds(0.5);

/**
 * Serves the kinds of all CustomResourceDefinitions, from now until `signal` aborts. A kind is there when the request that made its definition is
 * answered; deleting a definition deletes its objects first.
 */
export function serveCustomResources({
  runtime,
  objects,
  signal,
}: {
  readonly runtime: Runtime;
  readonly objects: Objects;
  readonly signal: AbortSignal;
}): void {
  const specs = new Map<string, CustomResourceDefinition["spec"]>();
  const going = new Set<string>();

  const serve = (definition: CustomResourceDefinition): void => {
    const { name = "" } = definition.metadata;
    if (!isEstablished(definition) || isDeepStrictEqual(specs.get(name), definition.spec)) return;
    specs.set(name, definition.spec);
    const { stored, served } = versionsOf(definition, { lookup: objects, random: runtime.random });
    objects.serveVersions(stored, served, {
      admitCreate() {
        if (going.has(name)) throw terminatingKind(resourceOf(definition));
      },
    });
  };
  const accept = (definition: CustomResourceDefinition): void => {
    const { name = "", deletionTimestamp } = definition.metadata;
    serve(definition);
    if (deletionTimestamp === undefined || going.has(name)) return;
    going.add(name);
    cleanUp(name, definition).catch((error: unknown) => {
      if (!signal.aborted) runtime.logger.error("cannot remove the objects of a definition", { name, error: errorMessage(error) });
      going.delete(name);
    });
  };
  const cleanUp = async (name: string, definition: CustomResourceDefinition): Promise<void> => {
    const resource = resourceOf(definition);
    const everything = { labelSelector: [], fieldSelector: [] };
    const collection = objects.store.collection(resource);
    const version = objects.definitions.find((one) => one.group === resource.group && one.resource === resource.resource);
    const handler = version && objects.kind(version);
    while (!signal.aborted && handler !== undefined && (collection?.size ?? 0) > 0) {
      await handler.deleteCollection(everything, {}, asServer());
      if ((collection?.size ?? 0) > 0) await pause();
    }
    if (signal.aborted) return;
    await objects.update(
      customResourceDefinitions,
      { namespace: "", name },
      (draft) => {
        draft.metadata.finalizers = (draft.metadata.finalizers ?? []).filter((finalizer) => finalizer !== cleanupFinalizer);
      },
      { ...asServer(), subresource: "" },
    );
  };
  const pause = (): Promise<void> =>
    new Promise((done) => {
      const timer = runtime.clock.after(cleanupInterval, done, { background: true });
      signal.addEventListener("abort", () => {
        timer.cancel();
        done();
      });
    });
  const drop = (definition: CustomResourceDefinition): void => {
    const { name = "" } = definition.metadata;
    going.delete(name);
    if (specs.delete(name)) objects.endVersions(resourceOf(definition));
  };

  const everything = { labelSelector: [], fieldSelector: [], allowBookmarks: false, sendInitialEvents: false };
  const stop = objects.store.collection(customResourceDefinitions)?.watch(everything, {
    send(event) {
      if (event.type === "DELETED") drop(event.object as CustomResourceDefinition);
      else if (event.type !== "ERROR") accept(event.object as CustomResourceDefinition);
      return true;
    },
    close() {},
  });
  signal.addEventListener("abort", () => stop?.());
}

const resourceOf = ({ spec: { group, names } }: CustomResourceDefinition): ResourceRef => ({ group, resource: names.plural });

interface Versions {
  readonly stored: ResourceDefinition;
  readonly served: readonly ServedVersion[];
}

interface Sources {
  readonly lookup: Lookup;
  readonly random: Random;
}

function conversionOf(
  { spec: { conversion, group, names } }: CustomResourceDefinition,
  versions: { readonly served: string; readonly stored: string },
  sources: Sources,
): Conversion {
  const clientConfig = conversion?.webhook?.clientConfig;
  if (conversion?.strategy === "Webhook" && clientConfig !== undefined)
    return webhookConversion({ ...sources, clientConfig, kind: { group, kind: names.kind }, ...versions });
  const apiVersion = (version: string): string => apiVersionOf({ group, version });
  return relabelling({ served: apiVersion(versions.served), stored: apiVersion(versions.stored) });
}

function versionsOf(definition: CustomResourceDefinition, sources: Sources): Versions {
  const { versions } = definition.spec;
  const made = versions.map((version) => ({ version, resource: resourceOfVersion(definition, version) }));
  // definitions without exactly one such version are refused
  const stored = made.find(({ version }) => version.storage)?.resource;
  if (stored === undefined) throw internalError(`${definition.metadata.name} has no stored version`);
  const served = made
    .filter(({ version }) => version.served)
    .map(({ resource }) => {
      const conversion = conversionOf(definition, { served: resource.version, stored: stored.version }, sources);
      return { definition: resource, conversion: hasDefault(resource.schema) ? defaulting(conversion, resource.schema) : conversion };
    });
  return { stored, served };
}

const hasDefault = (schema: JsonSchema | undefined): schema is JsonSchema =>
  schema !== undefined &&
  (schema.default !== undefined ||
    hasDefault(schema.items) ||
    Object.values(schema.properties ?? {}).some(hasDefault) ||
    (typeof schema.additionalProperties === "object" && hasDefault(schema.additionalProperties)));

const terminatingKind = ({ group, resource }: ResourceRef): StatusError =>
  new StatusError(405, "MethodNotAllowed", `create not allowed while custom resource definition is terminating`, { group, kind: resource });
