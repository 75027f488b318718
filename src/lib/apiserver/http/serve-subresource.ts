import { methodNotAllowed, unknownPath } from "../errors.ts";
import type { KindHandler } from "../kinds/kind-handler.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest } from "../errors.ts";
import type { Verb } from "../resource.ts";
import type { SubresourceHandler, SubresourceRequest } from "../subresource.ts";
import type { RawExchange } from "../subresource.ts";
import { answerObject } from "./exchange.ts";
import { reportStray } from "../rules/decode.ts";
import { keyOf, newObject, requiredJson, type ResourceExchange, type ResourceServer, writeContext } from "./serve-resource.ts";

/** The handler of the subresource that the request is about. Throws NotFound, or MethodNotAllowed. */
export function subresourceFor({ definition }: KindHandler, { target }: Pick<ResourceExchange, "target">): SubresourceHandler {
  const custom = definition.subresources?.custom ?? {};
  const found = Object.hasOwn(custom, target.subresource) ? custom[target.subresource] : undefined;
  if (found === undefined) throw unknownPath();
  if (!found.verbs.includes(target.verb as Verb)) throw methodNotAllowed(definition, `${target.verb} of ${target.subresource}`);
  return found;
}

export function subresourceRequest(server: ResourceServer, exchange: ResourceExchange): SubresourceRequest {
  const { target } = exchange;
  return { ...writeContext(exchange), key: keyOf(target), rest: target.rest, objects: server.objects };
}

/** Answers a request to a subresource that a kind defines for itself. */
export async function serveSubresource(server: ResourceServer, kind: KindHandler, exchange: ResourceExchange): Promise<void> {
  const handler = subresourceFor(kind, exchange);
  const { target, request, response } = exchange;
  const wanted = subresourceRequest(server, exchange);
  if (handler.connect !== undefined) {
    const raw: RawExchange = { request, answer: { kind: "response", response } };
    return handler.connect(wanted, raw);
  }
  switch (target.verb) {
    case "get":
      if (handler.get === undefined) throw methodNotAllowed(kind.definition, "get");
      return answerObject(exchange, 200, await handler.get(wanted));
    case "create":
      if (handler.create === undefined) throw methodNotAllowed(kind.definition, "create");
      return answerObject(exchange, 201, await handler.create(wanted, objectOf(await requiredJson(exchange))));
    default: {
      if (handler.update === undefined) throw methodNotAllowed(kind.definition, target.verb);
      const { bodyOf, duplicates } = await newObject(exchange, kind.definition);
      reportStray({ duplicates }, writeContext(exchange));
      const present = target.verb === "patch" ? await kind.get(wanted.key, wanted) : { metadata: {} };
      return answerObject(exchange, 200, await handler.update(wanted, objectOf(bodyOf(present))));
    }
  }
}

function objectOf(body: unknown): KubeObject {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw badRequest("the body of the request must be a JSON object");
  return { ...body, metadata: (body as Partial<KubeObject>).metadata ?? {} };
}
