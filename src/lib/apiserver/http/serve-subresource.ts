import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, internalError, methodNotAllowed, unknownPath } from "../errors.ts";
import type { KindHandler } from "../kinds/kind-handler.ts";
import type { JsonObject } from "../openapi/schema.ts";
import type { ResourceDefinition, Verb } from "../resource.ts";
import { reportStray } from "../rules/decode.ts";
import type { RawExchange, SubresourceHandler, SubresourceRequest } from "../subresource.ts";
import type { AdmissionRequest } from "../webhooks/admission.ts";
import { objectOf } from "./body.ts";
import { answerObject } from "./exchange.ts";
import { keyOf, newObject, type ResourceExchange, type ResourceServer, writeContext, writtenJson } from "./serve-resource.ts";

/** The handler of the subresource that the request is about. Throws NotFound, or MethodNotAllowed. */
function subresourceFor({ definition }: KindHandler, { target }: Pick<ResourceExchange, "target">): SubresourceHandler {
  const custom = definition.subresources?.custom ?? {};
  const found = Object.hasOwn(custom, target.subresource) ? custom[target.subresource] : undefined;
  if (found === undefined) throw unknownPath();
  if (!found.verbs.includes(target.verb as Verb)) throw methodNotAllowed(definition, `${target.verb} of ${target.subresource}`);
  return found;
}

function subresourceRequest(server: ResourceServer, exchange: ResourceExchange): SubresourceRequest {
  const { target } = exchange;
  return { ...writeContext(exchange), key: keyOf(target), rest: target.rest, objects: server.objects };
}

/** Hands an upgraded connection over to the subresource that the request is about. */
export async function serveUpgrade(server: ResourceServer, kind: KindHandler, exchange: ResourceExchange, raw: RawExchange): Promise<void> {
  const handler = subresourceFor(kind, exchange);
  if (handler.connect === undefined) throw badRequest("this subresource does not take upgraded connections");
  const wanted = await connection(server, { kind, handler, exchange });
  // who has gone while webhooks were asked has closed the socket already: nobody would hear of that any more
  if (!exchange.signal.aborted) await handler.connect(wanted, raw);
}

/** Answers a request to a subresource that a kind defines for itself. */
export async function serveSubresource(server: ResourceServer, kind: KindHandler, exchange: ResourceExchange): Promise<void> {
  const handler = subresourceFor(kind, exchange);
  const { target, request, response } = exchange;
  if (handler.connect !== undefined) {
    const wanted = await connection(server, { kind, handler, exchange });
    if (exchange.signal.aborted) return;
    return handler.connect(wanted, { request, answer: { kind: "response", response } });
  }
  const wanted = subresourceRequest(server, exchange);
  switch (target.verb) {
    case "get":
      if (handler.get === undefined) throw methodNotAllowed(kind.definition, "get");
      return answerObject(exchange, 200, await handler.get(wanted));
    case "create": {
      if (handler.create === undefined) throw methodNotAllowed(kind.definition, "create");
      const { value, findings } = await writtenJson(exchange);
      reportStray({ findings }, writeContext(exchange));
      const body = objectOf(value);
      return answerObject(exchange, 201, await create(server, { kind, handler, wanted, body, subresource: target.subresource }));
    }
    default: {
      if (handler.update === undefined) throw methodNotAllowed(kind.definition, target.verb);
      const { bodyOf, findings } = await newObject(exchange, kind.definition);
      reportStray({ findings }, writeContext(exchange));
      const present = target.verb === "patch" ? await kind.get(wanted.key, wanted) : { metadata: {} };
      return answerObject(exchange, 200, await handler.update(wanted, objectOf(await exchange.pace.run(bodyOf(present)))));
    }
  }
}

/** Makes something by a subresource (Binding, Eviction, TokenRequest), when the webhooks that want to know of it allow it. */
async function create(
  { admission }: ResourceServer,
  {
    kind: { definition },
    handler,
    wanted,
    body,
    subresource,
  }: {
    readonly kind: KindHandler;
    readonly handler: SubresourceHandler;
    readonly wanted: SubresourceRequest;
    readonly body: KubeObject;
    readonly subresource: string;
  },
): Promise<KubeObject> {
  const make = async (object: KubeObject, request: SubresourceRequest): Promise<KubeObject> => {
    if (handler.create === undefined) throw methodNotAllowed(definition, "create");
    return handler.create(request, object);
  };
  const asked = { ...admissionOf(definition, { handler, wanted, subresource }), operation: "CREATE" } as const;
  if (!admission?.concerns(asked)) return make(body, wanted);
  const { group, version, kind } = asked.objectKind;
  const typed = { apiVersion: group === "" ? version : `${group}/${version}`, kind, ...body };
  const object = objectOf(await admission.mutate({ ...asked, object: typed }));
  await admission.validate({ ...asked, object });
  return make(object, { ...wanted, admitted: true });
}

/** The request as the webhooks that are asked about connections let it pass. Throws when one denies. */
async function connection(
  server: ResourceServer,
  {
    kind: { definition },
    handler,
    exchange,
  }: { readonly kind: KindHandler; readonly handler: SubresourceHandler; readonly exchange: ResourceExchange },
): Promise<SubresourceRequest> {
  const { options } = handler;
  const { admission } = server;
  const wanted = subresourceRequest(server, exchange);
  const { subresource } = exchange.target;
  const asked = { ...admissionOf(definition, { handler, wanted, subresource }), operation: "CONNECT", dryRun: false } as const;
  if (options === undefined || !admission?.concerns(asked)) return wanted;
  const { group, version, kind } = asked.objectKind;
  const given = {
    kind,
    apiVersion: group === "" ? version : `${group}/${version}`,
    ...options.of(wanted, exchange.target.path),
  } as unknown as KubeObject;
  const object = await admission.mutate({ ...asked, object: given });
  await admission.validate({ ...asked, ...(object === undefined ? {} : { object }) });
  if (object === undefined || isDeepStrictEqual(object, given)) return wanted;
  if (options.applied === undefined)
    throw internalError(`a webhook attempted to modify ${kind}, which is not supported for this operation`);
  return options.applied(wanted, object as unknown as JsonObject);
}

function admissionOf(
  definition: ResourceDefinition,
  {
    handler,
    wanted,
    subresource,
  }: { readonly handler: SubresourceHandler; readonly wanted: SubresourceRequest; readonly subresource: string },
): Omit<AdmissionRequest, "operation"> & Required<Pick<AdmissionRequest, "objectKind">> {
  const { group = definition.group, version = definition.version, kind } = handler;
  const { key, user, dryRun, warn } = wanted;
  return { definition, objectKind: { group, version, kind }, subresource, ...key, user, dryRun, warn };
}
