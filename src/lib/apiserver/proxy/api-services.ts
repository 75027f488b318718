import { Agent } from "node:https";
import { isDeepStrictEqual } from "node:util";
import type { Condition, KubeObject } from "#lib/kube/types.ts";
import { createBackoff } from "#lib/runtime/backoff.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { Aggregator } from "../aggregator.ts";
import { asServer, type BootstrapObject, ensureObjects } from "../auth/bootstrap.ts";
import type { DiscoveredVersion } from "../discovery/aggregated.ts";
import { groupVersionsOf } from "../discovery/groups.ts";
import type { GroupVersion } from "../discovery/resource-list.ts";
import { serviceUnavailable } from "../errors.ts";
import type { Objects } from "../objects.ts";
import type { JsonObject } from "../openapi/schema.ts";
import type { DraftObject } from "../resource.ts";
import { timestamp } from "../rules/create.ts";
import { remoteUserHeaders } from "./backend-request.ts";
import { type Backend, forward } from "./forward.ts";
import { fetchPublished, type PublishedApi } from "./published-api.ts";
import { createEndpoints, firstAnswer } from "./first-answer.ts";
import { endpointsOf, type Resolution, type ServiceReference } from "./service-address.ts";

export interface ApiServicesOptions {
  readonly runtime: Runtime;
  readonly objects: Objects;
  /** Where a Service is answered. Default: a ready endpoint of its EndpointSlices. */
  readonly resolve?: (service: ServiceReference) => Resolution;
  /** The front proxy's client certificate, by which backends trust the headers that say who asks. PEM. */
  readonly proxy: { readonly certificate: string; readonly key: string };
}

/** Group versions of APIService objects that name a Service, and what their servers publish. */
export interface ApiServices extends Aggregator {
  /** Registers the kinds of this server as APIServices, as `kubectl get apiservices` shows them, and begins to follow all of them. */
  start(): Promise<void>;
  /** OpenAPI 2 documents of the servers behind this one. The array is a new one when anything changed. */
  documentsV2(): readonly JsonObject[];
  /** OpenAPI 3 documents by path. */
  documentsV3(): ReadonlyMap<string, Uint8Array>;
}

interface ApiService extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly version: string;
    readonly service?: ServiceReference | null;
    readonly caBundle?: string;
    readonly insecureSkipTLSVerify?: boolean;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

const apiServices = { group: "apiregistration.k8s.io", resource: "apiservices" };

/** A backend that answers is asked this often whether it still does. */
const checkInterval = seconds(30);
const firstRetry = seconds(0.2);
const slowestRetry = seconds(10);

/** One APIService with a server behind it. */
interface Entry extends GroupVersion {
  readonly spec: ApiService["spec"];
  readonly agent: Agent;
  readonly stop: AbortController;
  published: PublishedApi;
  available: boolean;
}

export function createApiServices({ runtime, objects, resolve, proxy }: ApiServicesOptions): ApiServices {
  const { clock, random, logger } = runtime;
  const entries = new Map<string, Entry>();
  const stopped = new AbortController();
  let documents: readonly JsonObject[] = [];
  const resolveService = resolve ?? ((service: ServiceReference) => endpointsOf(objects, service));
  const endpoints = createEndpoints(clock);

  const backendsOf = ({ spec, agent }: Entry): readonly Backend[] | Exclude<Resolution, { addresses: unknown }> => {
    const { service, caBundle, insecureSkipTLSVerify } = spec;
    if (!service) return { reason: "ServiceNotFound", message: "no service" };
    const resolution = resolveService(service);
    if (!("addresses" in resolution)) return resolution;
    const ca = insecureSkipTLSVerify || !caBundle ? undefined : Buffer.from(caBundle, "base64").toString("utf8");
    if (ca === undefined && !insecureSkipTLSVerify)
      return { reason: "FailedDiscoveryCheck", message: "spec.caBundle is empty and spec.insecureSkipTLSVerify is not set" };
    const serverName = `${service.name}.${service.namespace}.svc`;
    return resolution.addresses.map((address) => ({ ...address, serverName, ...proxy, agent, ...(ca === undefined ? {} : { ca }) }));
  };

  const report = async (name: string, condition: Omit<Condition, "type" | "lastTransitionTime">): Promise<void> => {
    const object = objects.get(apiServices, { namespace: "", name }) as ApiService | undefined;
    const before = object?.status?.conditions?.find(({ type }) => type === "Available");
    const same = before?.status === condition.status && before.reason === condition.reason && before.message === condition.message;
    if (object === undefined || same) return;
    const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : undefined;
    const available = { type: "Available", lastTransitionTime: lastTransitionTime ?? timestamp(clock.wall()), ...condition };
    const change = (draft: DraftObject): void => {
      draft.status = { conditions: [available] };
    };
    await objects.update(apiServices, { namespace: "", name }, change, { ...asServer(), subresource: "status" });
  };

  /** Asks the backend what it serves. Throws when it does not say. */
  const discover = async (entry: Entry): Promise<void> => {
    const backends = backendsOf(entry);
    if ("reason" in backends) throw new Unavailable(backends.reason, backends.message);
    const before = entry.published;
    entry.published = await firstAnswer({ clock, endpoints, targets: backends, ask: (backend) => fetchPublished(backend, entry, before) });
    if (entry.published.openApiV2 !== before.openApiV2) documents = publishedDocuments(entries.values());
  };

  const follow = async (name: string, entry: Entry): Promise<void> => {
    const backoff = createBackoff({ random, initial: firstRetry, limit: slowestRetry });
    while (!entry.stop.signal.aborted) {
      let failure: { reason: string; message: string } | undefined;
      try {
        await discover(entry);
        backoff.reset();
      } catch (error) {
        failure = { reason: error instanceof Unavailable ? error.reason : "FailedDiscoveryCheck", message: errorMessage(error) };
      }
      if (entry.stop.signal.aborted) return;
      if (entry.available !== (failure === undefined))
        logger.info("aggregated API", { name, available: failure === undefined, ...failure });
      entry.available = failure === undefined;
      const passed = { status: "True", reason: "Passed", message: "all checks passed" } as const;
      await report(name, failure === undefined ? passed : { status: "False", ...failure }).catch((error: unknown) =>
        logger.warn("cannot write the status of an APIService", { name, error: errorMessage(error) }),
      );
      await pause(failure === undefined ? checkInterval : backoff.next(), entry.stop.signal);
    }
  };
  const pause = (duration: number, signal: AbortSignal): Promise<void> =>
    new Promise((done) => {
      const timer = clock.after(duration, done, { background: true });
      signal.addEventListener("abort", () => {
        timer.cancel();
        done();
      });
    });

  const drop = (name: string): void => {
    const entry = entries.get(name);
    entry?.stop.abort();
    entry?.agent.destroy();
    entries.delete(name);
    documents = publishedDocuments(entries.values());
  };
  const accept = (object: ApiService): void => {
    const { name = "" } = object.metadata;
    const known = entries.get(name);
    if (known !== undefined && isDeepStrictEqual(known.spec, object.spec)) return;
    drop(name);
    const { spec } = object;
    if (!spec.service) return;
    const agent = new Agent({ keepAlive: true });
    const { group, version } = spec;
    const entry: Entry = { group, version, spec, agent, published: { resources: [] }, available: false, stop: new AbortController() };
    entries.set(name, entry);
    void follow(name, entry);
  };
  const entryOf = (wanted: GroupVersion): Entry | undefined =>
    [...entries.values()].find(({ group, version }) => group === wanted.group && version === wanted.version);

  return {
    async start() {
      await ensureObjects(objects, localApiServices(objects, timestamp(clock.wall())));
      for (const { object } of localApiServices(objects, ""))
        await report(object.metadata.name ?? "", { status: "True", reason: "Local", message: "Local APIServices are always available" });
      const everything = { labelSelector: [], fieldSelector: [], allowBookmarks: false, sendInitialEvents: false };
      const stop = objects.store.collection(apiServices)?.watch(everything, {
        send(event) {
          if (event.type === "DELETED") drop(event.object.metadata.name ?? "");
          else if (event.type !== "ERROR") accept(event.object as ApiService);
          return true;
        },
        close() {},
      });
      stopped.signal.addEventListener("abort", () => stop?.());
    },
    claims: (groupVersion) => entryOf(groupVersion) !== undefined,
    async forward(groupVersion, exchange, user, request) {
      const entry = entryOf(groupVersion);
      const backends = entry && backendsOf(entry);
      if (backends === undefined || "reason" in backends)
        throw serviceUnavailable(backends?.message ?? "the server behind this API is gone");
      await forward(exchange, { backends, choose: { clock, endpoints }, path: request.url ?? "/", headers: remoteUserHeaders(user) });
    },
    discovered: (): DiscoveredVersion[] =>
      [...entries.values()].map(({ group, version, published: { resources }, available }) => ({
        group,
        version,
        resources,
        stale: !available,
      })),
    documentsV2: () => documents,
    documentsV3() {
      const documents = new Map<string, Uint8Array>();
      for (const { group, version, published } of entries.values())
        if (published.openApiV3 !== undefined) documents.set(`apis/${group}/${version}`, published.openApiV3);
      return documents;
    },
    close() {
      stopped.abort();
      for (const name of [...entries.keys()]) drop(name);
    },
  };
}

const publishedDocuments = (entries: Iterable<Entry>): JsonObject[] =>
  [...entries].map(({ published }) => published.openApiV2).filter((document) => document !== undefined);

/** Why an aggregated API cannot be used, in the words of its condition. */
class Unavailable extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

function localApiServices({ definitions }: Objects, now: string): BootstrapObject[] {
  const builtIn = definitions.filter(({ custom }) => custom === undefined);
  return groupVersionsOf(builtIn).map(({ group, version }) => ({
    resource: apiServices,
    object: {
      metadata: {
        name: `${version}.${group}`,
        labels: { "kube-aggregator.kubernetes.io/automanaged": "onstart" },
        creationTimestamp: now,
      },
      spec: { group, version, groupPriorityMinimum: group === "" ? 18_000 : 17_000, versionPriority: 15 },
    } as KubeObject,
  }));
}
