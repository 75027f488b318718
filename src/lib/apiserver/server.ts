import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { kubernetesProtobuf, type ProtobufCodec } from "#lib/kube/protobuf/index.ts";
import { minutes } from "#lib/runtime/duration.ts";
import { errorCode, errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { createPace } from "#lib/runtime/parts.ts";
import { createTurns } from "#lib/runtime/turns.ts";
import type { Aggregator } from "./aggregator.ts";
import { type Authenticator, authenticate } from "./auth/authenticator.ts";
import { type Authorizer, decide, refusal } from "./auth/authorizer.ts";
import { impersonate } from "./auth/impersonation.ts";
import { badRequest, forbidden, forbiddenPath, ListenFailed, StatusError, unauthorized, unknownPath } from "./errors.ts";
import { answerError, type Exchange, isGone } from "./http/exchange.ts";
import { type ListenAddress, type Listener, openListener } from "./http/listener.ts";
import { type OpenApiDocuments, type PathExchange, type ReadinessCheck, servePath } from "./http/serve-path.ts";
import { type ResourceExchange, serveResource } from "./http/serve-resource.ts";
import { serveUpgrade } from "./http/serve-subresource.ts";
import { parseTarget, type Target } from "./http/target.ts";
import type { Objects } from "./objects.ts";
import type { RawExchange } from "./subresource.ts";
import { type TlsLimits, tlsLimits } from "./tls-limits.ts";
import { anonymous, type UserInfo } from "./user.ts";

export interface ApiServerOptions {
  readonly runtime: Runtime;
  readonly objects: Objects;
  readonly tls: {
    readonly certificate: string;
    readonly key: string;
    /** Authorities (PEM) whose client certificates the server asks for and passes to the authenticators. */
    readonly clientAuthorities?: readonly string[];
    /** Default: TLS 1.2 and what comes after it, with the run time's suites. */
    readonly limits?: TlsLimits;
  };
  /** Asked in order; a request that none of them knows is `system:anonymous`. */
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Authorizer;
  /** `gitVersion` of `/version`; decides what kubectl thinks of the server. */
  readonly gitVersion?: string;
  readonly documents?: OpenApiDocuments;
  readonly aggregator?: Aggregator;
  /** More paths, by exact path, such as `/loglevel`. They are authorized by path like every other. */
  readonly paths?: Readonly<Record<string, (exchange: PathExchange) => Promise<void> | void>>;
  readonly ready?: ReadinessCheck;
  /** Asked of each permitted request before its body is read: undefined, or its turn, which ends with the answer, or when a watch has begun. Throws {@link StatusError} for one that is too many. */
  readonly turnFor?: (target: Target, signal: AbortSignal) => Promise<() => void> | undefined;
  /** The kinds that are read and answered as protobuf too. Default: Kubernetes' own. */
  readonly protobuf?: ProtobufCodec;
}

export interface ApiServer {
  /** Starts answering there too; may be called more than once. Resolves to the port, 0 for a socket. Throws {@link ListenFailed}. */
  listen(address: ListenAddress): Promise<{ readonly port: number }>;
  /** Shows another certificate to clients that connect from now on; those that are connected stay. */
  renew(pair: { readonly certificate: string; readonly key: string }): void;
  /** Answers one request that came otherwise, such as from within this process. Who asks is known from the request alone. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Ends all watches and connections. The storage stays open. */
  close(): Promise<void>;
}

/** How often quiet watchers are told the current revision, and objects that expire are looked for. */
const houseInterval = minutes(1);

/** A Kubernetes-style API over TLS: authentication, authorization, then objects, documents or a server behind this one. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { runtime, objects, tls, aggregator, authenticators, authorizer, protobuf = kubernetesProtobuf } = options;
  const stopping = new AbortController();
  const underWay = new Set<AbortController>();
  const endings = createTurns(runtime.clock);
  const longWork = createTurns(runtime.clock);
  const pathServer = {
    definitions: () => objects.definitions,
    aggregated: () => aggregator?.discovered() ?? [],
    version: versionInfo(options.gitVersion ?? "v1.32.0"),
    ready: options.ready ?? (() => []),
    documents: options.documents ?? noDocuments,
    paths: options.paths ?? {},
  };

  const dispatch = async (exchange: Exchange, raw: RawExchange): Promise<void> => {
    const { target } = exchange;
    const groupVersion = aggregatedGroupVersion(target);
    if (aggregator !== undefined && groupVersion !== undefined && aggregator.claims(groupVersion))
      return aggregator.forward(groupVersion, raw, exchange.user, exchange.request);
    if (target.kind === "path") return servePath(pathServer, exchange as PathExchange);
    const kind = objects.kind(target);
    if (kind === undefined) throw unknownPath();
    const { admission } = objects;
    const authorize = (target: Target, user: UserInfo): Promise<void> => authorizeTarget(authorizer, user, target);
    const server = { runtime, objects, endings, authorize, ...(admission === undefined ? {} : { admission }) };
    if (raw.answer.kind === "response") return serveResource(server, kind, exchange as ResourceExchange);
    return serveUpgrade(server, kind, exchange as ResourceExchange, raw);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse, upgraded?: { socket: Duplex; head: Buffer }): Promise<void> => {
    const target = parseTarget(request.method ?? "GET", request.url ?? "/");
    const warnings: string[] = [];
    try {
      if (target === undefined) throw badRequest("the path is not well encoded");
      const known = (await authenticate(authenticators, request)) ?? anonymous;
      const user = await impersonate(authorizer, known, request);
      await authorizeTarget(authorizer, user, target);
      const raw: RawExchange["answer"] = upgraded === undefined ? { kind: "response", response } : { kind: "upgrade", ...upgraded };
      const signal = signalOf(upgraded?.socket ?? response, { stopping: stopping.signal, underWay });
      const over = await options.turnFor?.(target, signal);
      try {
        await dispatch(
          { request, response, target, user, signal, protobuf, warnings, pace: createPace(runtime.clock, longWork) },
          { request, answer: raw },
        );
      } finally {
        over?.();
      }
    } catch (error) {
      // Whoever gave up is nobody's failure.
      if (!(error instanceof StatusError) && error !== clientGone)
        runtime.logger.error("request failed", {
          method: request.method,
          path: target?.path,
          error: errorMessage(error),
          stack: (error as Error).stack,
        });
      answerError({ request, response, warnings }, error);
    }
  };

  const limits = tls.limits ?? tlsLimits({ minVersion: "", cipherSuites: "" });
  let shown: { readonly certificate: string; readonly key: string } = tls;
  const context = () => ({
    cert: shown.certificate,
    key: shown.key,
    ...limits,
    ...(tls.clientAuthorities === undefined ? {} : { ca: [...tls.clientAuthorities] }),
  });
  const listeners: Listener[] = [];
  const keepHouse = (): void => {
    if (stopping.signal.aborted) return;
    objects.store.bookmark();
    objects.removeExpired().catch((error: unknown) => runtime.logger.warn("cannot remove expired objects", { error: errorMessage(error) }));
    runtime.clock.after(houseInterval, keepHouse, { background: true });
  };

  return {
    answer: (request, response) => answer(request, response),
    async listen(address) {
      const listener = await openListener(address, {
        clock: runtime.clock,
        logger: runtime.logger,
        context,
        askForCertificates: tls.clientAuthorities !== undefined,
        answer: (request, response, upgraded) => void answer(request, response, upgraded),
      }).catch((error: unknown) => {
        throw new ListenFailed(address, { code: errorCode(error), cause: error });
      });
      if (listeners.push(listener) === 1) runtime.clock.after(houseInterval, keepHouse, { background: true });
      return { port: listener.port };
    },
    renew(pair) {
      shown = pair;
      for (const listener of listeners) listener.renew();
    },
    async close() {
      stopping.abort();
      for (const each of underWay) each.abort(clientGone);
      aggregator?.close();
      await Promise.all(listeners.map((listener) => listener.close()));
    },
  };
}

async function authorizeTarget(authorizer: Authorizer, user: UserInfo, target: Target): Promise<void> {
  const { verb } = target;
  const { group, version, resource, subresource, namespace, name } = target.kind === "resource" ? target : noResource;
  const attributes =
    target.kind === "resource"
      ? { user, verb, resource: { group, version, resource, subresource, namespace, name: name || selectedName(target.parameters) } }
      : { user, verb: verb === "head" ? "get" : verb, path: target.path };
  const { allowed } = await decide(authorizer, attributes);
  if (allowed) return;
  if (user === anonymous) throw unauthorized();
  const why = refusal(attributes);
  throw target.kind === "resource" ? forbidden(target, name, why) : forbiddenPath(target.path, why);
}

/** A list or watch of one object by `fieldSelector=metadata.name=x` is about that object, for rules that name it. */
const selectedName = (parameters: URLSearchParams): string =>
  /^metadata\.name==?([^,!=]+)$/.exec(parameters.get("fieldSelector") ?? "")?.[1] ?? "";

const noResource = { group: "", version: "", resource: "", subresource: "", namespace: "", name: "" };

/** The group version that a request to `/apis/GROUP/VERSION…` is about. */
function aggregatedGroupVersion(target: Target): { readonly group: string; readonly version: string } | undefined {
  if (target.kind === "resource") return target;
  const [root, group, version, ...rest] = target.path.split("/").filter((segment) => segment !== "");
  return root === "apis" && group !== undefined && version !== undefined && rest.length === 0 ? { group, version } : undefined;
}

/** One for all: making an error for every request that ends would be a good part of its cost. */
const clientGone = new Error("the client is gone or the server stops");

/** Thousands of watches are under way at a time: a signal looks through all of its listeners for each that comes or goes. */
function signalOf(
  stream: ServerResponse | Duplex,
  { stopping, underWay }: { readonly stopping: AbortSignal; readonly underWay: Set<AbortController> },
): AbortSignal {
  const gone = new AbortController();
  // It may have left while it was found out who it is.
  if (stopping.aborted || isGone(stream)) gone.abort(clientGone);
  else underWay.add(gone);
  // It comes once. To make sure of that costs every watch as much as all of the rest here.
  stream.on("close", () => {
    underWay.delete(gone);
    gone.abort(clientGone);
  });
  return gone.signal;
}

function versionInfo(gitVersion: string): object {
  const [, major = "1", minor = "0"] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  const platform = `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`;
  return { major, minor, gitVersion, gitCommit: "", gitTreeState: "", buildDate: "", goVersion: "", compiler: "", platform };
}

const noDocuments: OpenApiDocuments = { v2: () => undefined, v3Paths: () => [], v3: () => undefined };
