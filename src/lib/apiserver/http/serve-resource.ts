import type { KubeObject } from "#lib/kube/types.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { badRequest, methodNotAllowed, StatusError, unsupportedMediaType } from "../errors.ts";
import type { KindHandler, WriteContext } from "../kinds/kind-handler.ts";
import type { ObjectStore } from "../object-store.ts";
import { applyPatch, patchTypeOf } from "../patch/patch.ts";
import type { ObjectKey, ResourceDefinition, Verb } from "../resource.ts";
import { mediaType, parseJson, readBody, readJson } from "./body.ts";
import { answerJson, type Exchange } from "./exchange.ts";
import { deleteOptionsOf, fieldValidationOf, isDryRun, listOptionsOf, selectionOf } from "./parameters.ts";
import { renderingFor } from "./rendering.ts";
import { scaleOf, withScale } from "./scale.ts";
import { serveSubresource } from "./serve-subresource.ts";
import type { ResourceTarget } from "./target.ts";
import { streamWatch } from "./watch-stream.ts";

export type ResourceExchange = Exchange<ResourceTarget>;

export interface ResourceServer {
  readonly runtime: Runtime;
  readonly objects: ObjectStore;
}

/** Answers a request to a kind of this server. Throws {@link StatusError}. */
export async function serveResource(server: ResourceServer, handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { definition } = handler;
  const { subresource } = exchange.target;
  if (definition.deprecationWarning !== undefined) exchange.warnings.push(definition.deprecationWarning);
  if (subresource === "" || subresource === "status") return serveObjects(server, handler, exchange);
  if (subresource === "scale" && definition.subresources?.scale !== undefined) return serveScale(handler, exchange);
  return serveSubresource(server, handler, exchange);
}

async function serveObjects(server: ResourceServer, handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { target, request } = exchange;
  const { definition } = handler;
  checkVerb(definition, target);
  const { parameters, verb } = target;
  const context = writeContext(exchange);
  const rendering = renderingFor({ definition, accept: request.headers.accept, parameters, now: () => server.runtime.clock.wall() });
  const key = keyOf(target);
  switch (verb) {
    case "get":
      return answerJson(exchange, 200, rendering.object(await handler.get(key, context)));
    case "list":
      return answerJson(exchange, 200, rendering.list(await handler.list(listOptionsOf(target), context)));
    case "watch":
      return streamWatch({ exchange, handler, rendering, context, clock: server.runtime.clock, random: server.runtime.random });
    case "create":
      return answerJson(exchange, 201, rendering.object(await handler.create(target.namespace, await requiredJson(exchange), context)));
    case "update":
    case "patch": {
      const bodyOf = await newObject(exchange, definition);
      const written = await handler.update({ key, subresource: target.subresource }, bodyOf, context);
      return answerJson(exchange, 200, rendering.object(written));
    }
    case "delete": {
      const { dryRun, ...options } = deleteOptionsOf(parameters, await readJson(request));
      const { object, removed } = await handler.delete(key, options, { ...context, dryRun });
      return answerJson(exchange, 200, removed ? deletedText(definition, object) : rendering.object(object));
    }
    case "deletecollection": {
      const { dryRun, ...options } = deleteOptionsOf(parameters, await readJson(request));
      return answerJson(
        exchange,
        200,
        rendering.list(await handler.deleteCollection(selectionOf(target), options, { ...context, dryRun })),
      );
    }
    default:
      throw methodNotAllowed(definition, verb);
  }
}

async function serveScale(handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { target } = exchange;
  const { definition } = handler;
  const paths = definition.subresources?.scale;
  if (paths === undefined) throw methodNotAllowed(definition, target.verb);
  const context = writeContext(exchange);
  const key = keyOf(target);
  if (target.verb === "get") return answerJson(exchange, 200, JSON.stringify(scaleOf(paths, await handler.get(key, context))));
  if (target.verb !== "update" && target.verb !== "patch") throw methodNotAllowed(definition, target.verb);
  const bodyOf = await newObject(exchange, {});
  const write = (present: KubeObject): unknown => withScale(paths, present, bodyOf(scaleOf(paths, present)));
  const written = await handler.update({ key, subresource: "scale" }, write, context);
  answerJson(exchange, 200, JSON.stringify(scaleOf(paths, written)));
}

export function writeContext({ user, target, signal, warnings }: ResourceExchange): WriteContext {
  const { parameters } = target;
  return {
    user,
    parameters,
    signal,
    dryRun: isDryRun(parameters),
    fieldValidation: fieldValidationOf(parameters),
    warn: (text) => {
      if (!warnings.includes(text)) warnings.push(text);
    },
  };
}

export const keyOf = ({ namespace, name, resource, group }: ResourceTarget): ObjectKey => ({
  namespace: group === "" && resource === "namespaces" ? "" : namespace,
  name,
});

function checkVerb(definition: ResourceDefinition, { verb, subresource, name, namespace }: ResourceTarget): void {
  if (subresource === "status") {
    if (definition.subresources?.status && (verb === "get" || verb === "update" || verb === "patch")) return;
    throw methodNotAllowed(definition, verb);
  }
  if (!definition.verbs.includes(verb as Verb)) throw methodNotAllowed(definition, verb);
  const needsName = verb === "update" || verb === "patch";
  if (needsName && name === "") throw methodNotAllowed(definition, `${verb} of a collection`);
  if (verb === "create" && name !== "") throw methodNotAllowed(definition, "create of a named object");
  if (definition.namespaced && namespace === "" && (name !== "" || verb === "create"))
    throw methodNotAllowed(definition, `${verb} without a namespace`);
}

export async function requiredJson({ request }: ResourceExchange): Promise<unknown> {
  const body = await readJson(request);
  if (body === undefined) throw badRequest("the request has no body");
  return body;
}

/** The new object that an update or a patch makes of the present one. */
export async function newObject(
  exchange: ResourceExchange,
  definition: Pick<ResourceDefinition, "schema">,
): Promise<(present: KubeObject) => unknown> {
  const { request, target } = exchange;
  if (target.verb === "update") {
    const body = await requiredJson(exchange);
    return () => body;
  }
  const type = patchTypeOf(request.headers["content-type"] ?? "");
  if (type === undefined) throw refusedPatch(mediaType(request));
  const body = await readBody(request);
  const patch = body === undefined ? undefined : parseJson(body);
  if (patch === undefined) throw badRequest("the patch is empty");
  return (present) => applyPatch({ type, original: present, patch, definition });
}

const patchMedia = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"];

function refusedPatch(media: string): StatusError {
  if (!media.startsWith("application/apply-patch")) return unsupportedMediaType(media, patchMedia);
  return new StatusError(
    415,
    "UnsupportedMediaType",
    `server-side apply is not supported by this server, use client-side apply (kubectl apply without --server-side); accepted media types: ${patchMedia.join(", ")}`,
  );
}

function deletedText({ group, resource }: ResourceDefinition, { metadata: { name = "", uid = "" } }: KubeObject): string {
  const details = { name, ...(group === "" ? {} : { group }), kind: resource, uid };
  return JSON.stringify({ kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
}
