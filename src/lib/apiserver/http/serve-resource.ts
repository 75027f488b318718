import type { KubeObject, Status } from "#lib/kube/types.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { inOnePart, type Parts } from "#lib/runtime/parts.ts";
import type { Turns } from "#lib/runtime/turns.ts";
import { badRequest, invalidObject, methodNotAllowed, unsupportedMediaType } from "../errors.ts";
import { required } from "../field-error.ts";
import type { KindHandler, WriteContext } from "../kinds/kind-handler.ts";
import type { ObjectStore } from "../object-store.ts";
import { patchedObject, patchTypeOf } from "../patch/patch.ts";
import type { ObjectKey, ResourceDefinition, Verb } from "../resource.ts";
import type { StoreList } from "../resource-store.ts";
import type { UserInfo } from "../user.ts";
import type { Admission } from "../webhooks/admission.ts";
import { answerPieces } from "./answer-pieces.ts";
import { applyConfigurationOf } from "./apply-configuration.ts";
import { bodyInTurn, mediaType, parseApplyConfiguration, parseText, readJson, readWrittenJson } from "./body.ts";
import type { BodyFindings } from "../rules/context.ts";
import { jsonPatchFindings, mergePatchFindings } from "./duplicate-fields.ts";
import { answerObject, answerText, type Exchange } from "./exchange.ts";
import { deleteOptionsOf, fieldValidationOf, isDryRun, listOptionsOf, selectionOf } from "./parameters.ts";
import { type Rendering, renderingFor } from "./rendering.ts";
import { serveScale } from "./serve-scale.ts";
import { serveSubresource } from "./serve-subresource.ts";
import { isTrue, type ResourceTarget } from "./target.ts";
import { streamWatch } from "./watch-stream.ts";

export type ResourceExchange = Exchange<ResourceTarget>;

export interface ResourceServer {
  readonly runtime: Runtime;
  readonly objects: ObjectStore;
  /** When watchers that are too slow are ended. */
  readonly endings: Turns;
  /** Who is asked before a request is carried out. Absent: nobody. */
  readonly admission?: Admission;
  /** Throws Forbidden when the user may not do that. For requests that come to more than their verb says. */
  authorize(target: ResourceTarget, user: UserInfo): Promise<void>;
}

/** Answers a request to a kind of this server. Throws {@link StatusError}. */
export async function serveResource(server: ResourceServer, handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { definition } = handler;
  const { subresource } = exchange.target;
  if (definition.deprecationWarning !== undefined) exchange.warnings.push(definition.deprecationWarning);
  const answersStatus = definition.subresources?.custom?.status !== undefined;
  if (subresource === "" || (subresource === "status" && !answersStatus)) return serveObjects(server, handler, exchange);
  if (subresource === "scale" && definition.subresources?.scale !== undefined) return serveScale(server, handler, exchange);
  return serveSubresource(server, handler, exchange);
}

async function serveObjects(server: ResourceServer, handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { target, request } = exchange;
  const { definition } = handler;
  checkVerb(definition, target);
  const { parameters, verb } = target;
  const context = writeContext(exchange);
  const { protobuf } = exchange;
  const rendering = renderingFor({
    definition,
    protobuf,
    accept: request.headers.accept,
    parameters,
    now: () => server.runtime.clock.wall(),
  });
  const key = keyOf(target);
  switch (verb) {
    case "get":
      return answerRendered(exchange, 200, await handler.get(key, context), rendering);
    case "list":
      return answerList(exchange, await handler.list(listOptionsOf(target), context), rendering);
    case "watch":
      return streamWatch({ exchange, handler, rendering, context, ...server.runtime, endings: server.endings });
    case "create":
      return serveCreate(handler, { exchange, rendering });
    case "patch":
      return isApply(request) ? serveApply(server, handler, { exchange, rendering }) : serveUpdate(handler, { exchange, rendering });
    case "update":
      return serveUpdate(handler, { exchange, rendering });
    case "delete": {
      const { dryRun, ...options } = deleteOptionsOf(parameters, await readJson(exchange));
      const { object, removed } = await handler.delete(key, options, { ...context, dryRun });
      if (removed) return answerObject(exchange, 200, deletion(definition, object));
      return answerRendered(exchange, 200, object, rendering);
    }
    case "deletecollection": {
      const { dryRun, ...options } = deleteOptionsOf(parameters, await readJson(exchange));
      return answerList(exchange, await handler.deleteCollection(selectionOf(target), options, { ...context, dryRun }), rendering);
    }
    default:
      throw methodNotAllowed(definition, verb);
  }
}

interface Written {
  readonly exchange: ResourceExchange;
  readonly rendering: Rendering;
}

async function serveCreate(handler: KindHandler, { exchange, rendering }: Written): Promise<void> {
  const { value, findings } = await writtenJson(exchange);
  const made = await handler.create(exchange.target.namespace, value, { ...writeContext(exchange), findings });
  answerRendered(exchange, 201, made, rendering);
}

async function serveUpdate(handler: KindHandler, { exchange, rendering }: Written): Promise<void> {
  const { target } = exchange;
  const { bodyOf, findings } = await newObject(exchange, handler.definition);
  const written = await handler.update({ key: keyOf(target), subresource: target.subresource }, bodyOf, {
    ...writeContext(exchange),
    findings,
  });
  answerRendered(exchange, 200, written, rendering);
}

const answerRendered = (exchange: ResourceExchange, code: number, object: KubeObject, { type, object: render }: Rendering): void =>
  answerText(exchange, code, render(object), type);

const answerList = async (exchange: ResourceExchange, list: StoreList, rendering: Rendering): Promise<void> =>
  answerPieces(exchange, await rendering.list(list), rendering.type);

const applyMedia = "application/apply-patch+yaml";

const isApply = (request: ResourceExchange["request"]): boolean => mediaType(request) === applyMedia;

async function serveApply(server: ResourceServer, handler: KindHandler, { exchange, rendering }: Written): Promise<void> {
  const { target } = exchange;
  const { definition } = handler;
  if (handler.apply === undefined) throw unsupportedMediaType(applyMedia, patchMedia);
  const context = writeContext(exchange);
  const { parameters } = target;
  const fieldManager = parameters.get("fieldManager");
  if (!fieldManager)
    throw invalidObject({ group: "meta.k8s.io", kind: "PatchOptions" }, "", [required("fieldManager", "is required for apply patch")]);
  const body = await exchange.pace.run(parseApplyConfiguration(await bodyInTurn(exchange)));
  const config = await exchange.pace.run(applyConfigurationOf(definition, body, context));
  const { object, created } = await handler.apply(
    { key: keyOf(target), subresource: target.subresource },
    {
      config,
      force: isTrue(parameters.get("force")),
      mayCreate: () => server.authorize({ ...target, verb: "create", name: "" }, exchange.user),
    },
    { ...context, fieldManager },
  );
  answerRendered(exchange, created ? 201 : 200, object, rendering);
}

export function writeContext({ request, user, target, signal, warnings, pace }: ResourceExchange): WriteContext {
  const { parameters } = target;
  return {
    user,
    parameters,
    signal,
    pace,
    dryRun: isDryRun(parameters),
    fieldManager: parameters.get("fieldManager") || managerOf(request.headers["user-agent"]),
    fieldValidation: fieldValidationOf(parameters),
    warn: (text) => {
      if (!warnings.includes(text)) warnings.push(text);
    },
  };
}

/** Longest name of a field manager. */
const managerLength = 128;

/** Clients that do not say who they are go by the first word of their User-Agent. */
const managerOf = (userAgent: string | undefined): string => userAgent?.split("/")[0]?.slice(0, managerLength) || "unknown";

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

export async function writtenJson(exchange: ResourceExchange): Promise<{ readonly value: unknown; readonly findings: BodyFindings }> {
  const { value, findings } = await readWrittenJson(exchange);
  if (value === undefined) throw badRequest("the request has no body");
  return { value, findings };
}

/** The new object that an update or a patch makes of the present one, and what is odd in the text of its body. */
export async function newObject(
  exchange: ResourceExchange,
  definition: Pick<ResourceDefinition, "schema">,
): Promise<{ bodyOf(present: KubeObject): Parts<unknown>; readonly findings: BodyFindings }> {
  const { request, target } = exchange;
  if (target.verb === "update") {
    const { value, findings } = await writtenJson(exchange);
    return { bodyOf: inOnePart(() => value), findings };
  }
  const type = patchTypeOf(request.headers["content-type"] ?? "");
  if (type === undefined) throw unsupportedMediaType(mediaType(request), patchMedia);
  const body = await bodyInTurn(exchange);
  if (body === undefined) throw badRequest("the patch is empty");
  const { value: patch, text, repeats } = await exchange.pace.run(parseText(body));
  const findings = type === "json" ? jsonPatchFindings(repeats ? text : "", patch) : mergePatchFindings(repeats ? text : "");
  return { bodyOf: (present) => patchedObject({ type, original: present, patch, definition }), findings };
}

const patchMedia = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", applyMedia];

function deletion({ group, resource }: ResourceDefinition, { metadata: { name = "", uid = "" } }: KubeObject): Status {
  const details = { name, ...(group === "" ? {} : { group }), kind: resource, uid };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}
