import { createHash } from "node:crypto";
import { aggregatedDiscovery, aggregatedDiscoveryVersion, aggregatedMediaType, type DiscoveredVersion } from "../discovery/aggregated.ts";
import { apiGroup, coreVersions, groupList, groupVersionsOf } from "../discovery/groups.ts";
import { apiResources, type GroupVersion, resourceList, sameGroupVersion } from "../discovery/resource-list.ts";
import { StatusError, unknownPath } from "../errors.ts";
import type { ResourceDefinition } from "../resource.ts";
import { answerText, type Exchange } from "./exchange.ts";
import type { PathTarget } from "./target.ts";

export type PathExchange = Exchange<PathTarget>;

/** What is wrong with this server, for `/readyz`; empty when nothing is. */
export type ReadinessCheck = () => readonly string[];

export interface PathServer {
  readonly definitions: () => readonly ResourceDefinition[];
  readonly aggregated: () => readonly DiscoveredVersion[];
  /** `version.Info`: what `kubectl version` prints. */
  readonly version: object;
  readonly ready: ReadinessCheck;
  readonly documents: OpenApiDocuments;
  /** More paths, by exact path. */
  readonly paths: Readonly<Record<string, (exchange: PathExchange) => Promise<void> | void>>;
}

/** The OpenAPI documents of a server; undefined where there is none. */
export interface OpenApiDocuments {
  v2(form: "json" | "protobuf"): Uint8Array | undefined;
  /** Paths such as `apis/apps/v1` and the document at each. */
  v3Paths(): readonly string[];
  v3(path: string): Uint8Array | undefined;
}

/** Answers requests that are about no object: discovery, OpenAPI, health, version. Throws {@link StatusError}. */
export async function servePath(server: PathServer, exchange: PathExchange): Promise<void> {
  const { path, verb } = exchange.target;
  const own = Object.hasOwn(server.paths, path) ? server.paths[path] : undefined;
  if (own !== undefined) return own(exchange);
  if (verb !== "get" && verb !== "head") throw new StatusError(405, "MethodNotAllowed", `${verb.toUpperCase()} is not allowed on ${path}`);
  const [root = "", ...rest] = path.split("/").filter((segment) => segment !== "");
  switch (root) {
    case "healthz":
    case "livez":
      return answerText(exchange, 200, "ok", "text/plain; charset=utf-8");
    case "readyz":
      return serveReadiness(server, exchange);
    case "version":
      return answer(exchange, server.version);
    case "api":
    case "apis":
      return serveDiscovery(server, exchange, root, rest);
    case "openapi":
      return serveOpenApi(server.documents, exchange, rest);
    case "":
      return answer(exchange, { paths: rootPaths(server) });
    default:
      throw unknownPath();
  }
}

function serveReadiness({ ready }: PathServer, exchange: PathExchange): void {
  const problems = ready();
  const text = [...problems.map((problem) => `[-] ${problem}`), "readyz check failed", ""].join("\n");
  answerText(exchange, problems.length === 0 ? 200 : 503, problems.length === 0 ? "ok" : text, "text/plain; charset=utf-8");
}

function serveDiscovery(server: PathServer, exchange: PathExchange, root: "api" | "apis", rest: readonly string[]): void {
  const wanted = aggregatedDiscoveryVersion(exchange.request.headers.accept);
  if (rest.length > 0 || wanted === undefined) {
    answer(exchange, discoveryDocument(server, root, rest));
    return;
  }
  const definitions = server.definitions();
  const own = groupVersionsOf(definitions).map((one) => ({ ...one, resources: resourcesOf(definitions, one) }));
  const versions = [...own, ...server.aggregated()].filter(({ group }) => (group === "") === (root === "api"));
  answerText(exchange, 200, JSON.stringify(aggregatedDiscovery(wanted, versions)), aggregatedMediaType(wanted));
}

function discoveryDocument(server: PathServer, root: "api" | "apis", rest: readonly string[]): object {
  const { aggregated } = server;
  const definitions = server.definitions();
  const groupVersions = groupVersionsOf([...definitions, ...aggregated()]);
  if (rest.length === 0) return root === "api" ? coreVersions(groupVersions) : groupList(groupVersions);
  const [group = "", version] = root === "api" ? ["", rest[0]] : rest;
  const document = version === undefined ? apiGroup(groupVersions, group) : versionDocument(definitions, { group, version });
  if (document === undefined) throw unknownPath();
  return document;
}

const versionDocument = (definitions: readonly ResourceDefinition[], groupVersion: GroupVersion) =>
  definitions.some((definition) => sameGroupVersion(definition, groupVersion)) ? resourceList(definitions, groupVersion) : undefined;

const resourcesOf = (definitions: readonly ResourceDefinition[], groupVersion: GroupVersion) =>
  definitions.filter((definition) => sameGroupVersion(definition, groupVersion)).flatMap(apiResources);

/** Clients ask for it with `@` in the place of the second dot, which is no media type that Go would read in an answer. */
const protobufV2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const askedForProtobufV2 = /spec\.v2[@.]v1\.0\+protobuf/;

function serveOpenApi(documents: OpenApiDocuments, exchange: PathExchange, [version, ...rest]: readonly string[]): void {
  const path = rest.join("/");
  if (version === "v2" && path === "") {
    const protobuf = askedForProtobufV2.test(exchange.request.headers.accept ?? "");
    answerDocument(exchange, documents.v2(protobuf ? "protobuf" : "json"), protobuf ? protobufV2 : "application/json");
  } else if (version === "v3" && path === "") answer(exchange, openApiIndex(documents));
  else if (version === "v3") answerDocument(exchange, documents.v3(path), "application/json");
  else throw unknownPath();
}

function openApiIndex(documents: OpenApiDocuments): object {
  const paths = documents.v3Paths().map((path) => {
    const etag = etagOf(documents.v3(path) ?? new Uint8Array());
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${etag}` }];
  });
  return { paths: Object.fromEntries(paths) };
}

function answerDocument(exchange: PathExchange, document: Uint8Array | undefined, type: string): void {
  if (document === undefined) throw unknownPath();
  const { request, response } = exchange;
  const etag = `"${etagOf(document)}"`;
  response.setHeader("ETag", etag);
  response.setHeader("Vary", "Accept");
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { "Content-Type": type, "Content-Length": document.length });
  response.end(document);
}

const etags = new WeakMap<Uint8Array, string>();

function etagOf(document: Uint8Array): string {
  const known = etags.get(document);
  if (known !== undefined) return known;
  const etag = createHash("sha256").update(document).digest("hex").toUpperCase();
  etags.set(document, etag);
  return etag;
}

function rootPaths({ definitions, aggregated, paths }: PathServer): string[] {
  const groupVersions = groupVersionsOf([...definitions(), ...aggregated()]);
  const served = groupVersions.map(({ group, version }) => (group === "" ? `/api/${version}` : `/apis/${group}/${version}`));
  const fixed = ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];
  return [...fixed, ...served, ...Object.keys(paths)].sort();
}

function answer(exchange: PathExchange, value: object): void {
  answerText(exchange, 200, JSON.stringify(value), "application/json");
}
