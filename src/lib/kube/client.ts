import { KubeApiError, KubeBadAnswer, KubeUnreachable } from "./errors.ts";
import { createLineSplitter } from "./json-lines.ts";
import type { ClientConfig } from "./kubeconfig.ts";
import { apiVersionOf, type ObjectName, pathOf, type Resource } from "./resource.ts";
import { createTransport, type HttpAnswer, type HttpRequest, readBody, type Transport } from "./transport.ts";
import type { KubeList, KubeObject, Status, WatchEvent } from "./types.ts";

export interface Selection {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** More query parameters, for servers that know them. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface ListOptions extends Selection {
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
  /** Server-side limit of the watch in seconds; the server picks one when absent. */
  readonly timeoutSeconds?: number;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type PatchType = "merge" | "json" | "strategic";

/** A Kubernetes API as one user sees it. Every method throws {@link KubeApiError} or {@link KubeUnreachable}. */
export interface KubeClient {
  readonly server: string;
  get<Kind extends KubeObject>(resource: Resource<Kind>, target: ObjectName & { readonly subresource?: string }): Promise<Kind>;
  list<Kind extends KubeObject>(resource: Resource<Kind>, options?: ListOptions): Promise<KubeList<Kind>>;
  create<Kind extends KubeObject>(
    resource: Resource<Kind>,
    object: Kind,
    options?: { readonly name?: string; readonly subresource?: string },
  ): Promise<Kind>;
  /** Replaces the object (its metadata names it), or its `subresource`. */
  update<Kind extends KubeObject>(resource: Resource<Kind>, object: Kind, options?: { readonly subresource?: string }): Promise<Kind>;
  patch<Kind extends KubeObject>(
    resource: Resource<Kind>,
    target: ObjectName & { readonly subresource?: string },
    patch: unknown,
    options?: { readonly type?: PatchType },
  ): Promise<Kind>;
  delete<Kind extends KubeObject>(resource: Resource<Kind>, target: ObjectName, options?: DeleteOptions): Promise<void>;
  /** Events until the server ends the watch or `signal` aborts. The first step throws when the watch cannot start. */
  watch<Kind extends KubeObject>(resource: Resource<Kind>, options?: WatchOptions): AsyncIterable<WatchEvent<Kind>>;
  /** Any other request; the answer's status is not looked at. */
  raw(request: HttpRequest): Promise<HttpAnswer>;
  /** Any other request with a JSON (or text) answer; failures throw as everywhere. */
  json(request: HttpRequest): Promise<unknown>;
  close(): void;
}

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

export function createKubeClient(options: {
  readonly config: ClientConfig;
  readonly transport?: Transport;
  readonly userAgent?: string;
  /** Reads JSON; throws when it is none. Many clients in one process may share what they read. Default: `JSON.parse`. */
  readonly parse?: (text: string) => unknown;
}): KubeClient {
  const { parse = JSON.parse } = options;
  const transport = options.transport ?? createTransport(options.config);
  const agentHeader = { "user-agent": options.userAgent ?? "antrea-ts" };

  const raw = (request: HttpRequest): Promise<HttpAnswer> =>
    transport.send({ ...request, headers: { ...agentHeader, ...request.headers } });
  const json = async (request: HttpRequest): Promise<unknown> => {
    const label = `${request.method} ${request.path}`;
    const answer = await raw(request);
    const text = await readBody(transport.server, answer);
    if (answer.status >= 400) throw new KubeApiError(label, answer.status, statusOf(answer.status, text));
    return parseObject(label, text, parse);
  };
  const send = async <Kind extends KubeObject>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Kind> => {
    const request = {
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(headers === undefined ? {} : { headers }),
    };
    return (await json(request)) as Kind;
  };

  return {
    server: transport.server,
    raw,
    json,
    close: () => transport.close(),
    get: (resource, target) => send("GET", pathOf(resource, target)),
    async list(resource, { signal, ...options } = {}) {
      const path = `${pathOf(resource, { namespace: options.namespace })}${query(options)}`;
      return (await json({ method: "GET", path, ...(signal === undefined ? {} : { signal }) })) as KubeList<never>;
    },
    create(resource, object, { name, subresource } = {}) {
      const target = {
        namespace: object.metadata.namespace,
        ...(name === undefined ? {} : { name }),
        ...(subresource === undefined ? {} : { subresource }),
      };
      return send("POST", pathOf(resource, target), typed(resource, object));
    },
    update(resource, object, { subresource } = {}) {
      const target = {
        namespace: object.metadata.namespace,
        name: object.metadata.name ?? "",
        ...(subresource === undefined ? {} : { subresource }),
      };
      return send("PUT", pathOf(resource, target), typed(resource, object));
    },
    patch: (resource, target, patch, { type = "merge" } = {}) =>
      send("PATCH", pathOf(resource, target), patch, { "content-type": patchContentTypes[type] }),
    async delete(resource, target, options) {
      await send(
        "DELETE",
        pathOf(resource, target),
        options === undefined ? undefined : { kind: "DeleteOptions", apiVersion: "v1", ...options },
      );
    },
    async *watch(resource, { signal, ...options } = {}) {
      const path = `${pathOf(resource, { namespace: options.namespace })}${query({ ...options, watch: true })}`;
      const label = `GET ${path}`;
      const answer = await raw({ method: "GET", path, lasting: true, ...(signal === undefined ? {} : { signal }) });
      if (answer.status >= 400)
        throw new KubeApiError(label, answer.status, statusOf(answer.status, await readBody(transport.server, answer)));
      const splitter = createLineSplitter();
      try {
        for await (const chunk of answer.body as AsyncIterable<Buffer>) {
          const { lines, overflow } = splitter.push(chunk);
          for (const line of lines) if (line.trim() !== "") yield parseObject(label, line, parse) as WatchEvent<never>;
          if (overflow) throw new KubeBadAnswer(label, "a watch event is larger than the bound");
        }
      } catch (error) {
        if (signal?.aborted) return;
        throw error instanceof KubeBadAnswer ? error : new KubeUnreachable(transport.server, error);
      } finally {
        answer.body.destroy();
      }
    },
  };
}

function query(options: ListOptions & WatchOptions & { readonly watch?: true }): string {
  const parameters = new URLSearchParams(options.parameters);
  if (options.labelSelector) parameters.set("labelSelector", options.labelSelector);
  if (options.fieldSelector) parameters.set("fieldSelector", options.fieldSelector);
  if (options.resourceVersion !== undefined) parameters.set("resourceVersion", options.resourceVersion);
  if (options.timeoutSeconds !== undefined) parameters.set("timeoutSeconds", String(options.timeoutSeconds));
  if (options.watch) {
    parameters.set("watch", "true");
    parameters.set("allowWatchBookmarks", "true");
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

function typed(resource: Resource<KubeObject>, object: KubeObject): KubeObject {
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
}

function parseObject(label: string, text: string, parse: (text: string) => unknown): object {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null)
    throw new KubeBadAnswer(label, `expected a JSON object, got ${JSON.stringify(text.slice(0, 80))}`);
  return value;
}

function statusOf(code: number, text: string): Status {
  try {
    const value = JSON.parse(text) as Partial<Status>;
    if (value?.kind === "Status") return value as Status;
  } catch {
    // not JSON: a proxy's page or plain text, told as it is
  }
  return {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code,
    message: text.trim().slice(0, 500) || `HTTP ${code}`,
    reason: reasons[code] ?? "Unknown",
  };
}

const reasons: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Gone",
  422: "Invalid",
  503: "ServiceUnavailable",
};
