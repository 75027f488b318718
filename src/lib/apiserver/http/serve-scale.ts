import { atOnce, inOnePart } from "#lib/runtime/parts.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { methodNotAllowed } from "../errors.ts";
import type { KindHandler, WriteContext } from "../kinds/kind-handler.ts";
import { reportStray } from "../rules/decode.ts";
import type { AdmissionRequest } from "../webhooks/admission.ts";
import { answerObject } from "./exchange.ts";
import { scaleOf, withScale } from "./scale.ts";
import { objectOf } from "./body.ts";
import { keyOf, newObject, type ResourceExchange, type ResourceServer, writeContext } from "./serve-resource.ts";

/** Answers a request to the number of replicas of an object (`autoscaling/v1 Scale`). */
export async function serveScale({ admission }: ResourceServer, handler: KindHandler, exchange: ResourceExchange): Promise<void> {
  const { target } = exchange;
  const { definition } = handler;
  const paths = definition.subresources?.scale;
  if (paths === undefined) throw methodNotAllowed(definition, target.verb);
  const context = writeContext(exchange);
  const key = keyOf(target);
  if (target.verb === "get") return answerObject(exchange, 200, scaleOf(paths, await handler.get(key, context)));
  if (target.verb !== "update" && target.verb !== "patch") throw methodNotAllowed(definition, target.verb);
  const { bodyOf, findings } = await newObject(exchange, {});
  reportStray({ findings }, context);
  const write = (scaleFor: (present: KubeObject) => unknown, writing: WriteContext): Promise<KubeObject> =>
    handler.update(
      { key, subresource: "scale" },
      inOnePart((present) => withScale(paths, present, scaleFor(scaleOf(paths, present)))),
      writing,
    );

  const { user, dryRun, warn } = context;
  const asked: AdmissionRequest = { definition, objectKind, operation: "UPDATE", subresource: "scale", ...key, user, dryRun, warn };
  if (!admission?.concerns(asked))
    return answerObject(exchange, 200, scaleOf(paths, await write((present) => atOnce(bodyOf(present)), context)));
  const oldObject = scaleOf(paths, await handler.get(key, context));
  const wanted = { apiVersion: "autoscaling/v1", kind: objectKind.kind, ...objectOf(atOnce(bodyOf(oldObject))) };
  const object = (await admission.mutate({ ...asked, object: wanted, oldObject })) ?? wanted;
  await admission.validate({ ...asked, object, oldObject });
  answerObject(exchange, 200, scaleOf(paths, await write(() => object, { ...context, admitted: true })));
}

const objectKind = { group: "autoscaling", version: "v1", kind: "Scale" };
