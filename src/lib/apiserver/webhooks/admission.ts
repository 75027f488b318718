import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type Random, uuid } from "#lib/runtime/random.ts";
import { badRequest, internalError } from "../errors.ts";
import { convertOne, type ServedVersion } from "../kinds/conversion.ts";
import type { Json, JsonObject } from "../openapi/schema.ts";
import type { Lookup, ResourceDefinition, ResourceRef } from "../resource.ts";
import type { UserInfo } from "../user.ts";
import { callWebhook } from "./call.ts";
import { mutatingConfigurations, validatingConfigurations, type Webhook, type WebhookConfiguration } from "./configuration.ts";
import { type Asked, conditionsHold, selects, versionHeard } from "./matching.ts";
import { denied, patched, patchOf, requestOf, responseOf, reviewType } from "./review.ts";

/** A write, or a connection, that somebody may have an opinion on. */
export interface AdmissionRequest {
  readonly definition: ResourceDefinition;
  /** Of `object` and `oldObject`, where they are not of the definition's kind: Scale, Binding, PodExecOptions. */
  readonly objectKind?: { readonly group: string; readonly version: string; readonly kind: string };
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  /** "" for the object itself. */
  readonly subresource: string;
  /** Of a namespace itself, its name. */
  readonly namespace: string;
  readonly name: string;
  readonly object?: KubeObject;
  readonly oldObject?: KubeObject;
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** What the request says besides (`CreateOptions` and the like). */
  readonly options?: JsonObject;
  warn(text: string): void;
}

/** Who is asked before objects are written and connections are made. */
export interface Admission {
  /** False when nobody would be asked, whatever the object: the write then goes on without a pause. */
  concerns(request: Asked): boolean;
  /** The object as the mutating webhooks, in turn, would have it. Throws when one denies. */
  mutate(request: AdmissionRequest): Promise<KubeObject | undefined>;
  /** Throws when a validating webhook denies. */
  validate(request: AdmissionRequest): Promise<void>;
}

export interface AdmissionSources {
  readonly lookup: Lookup;
  /** Every version in which a kind is served; none for a kind that has but one. */
  readonly versionsOf: (resource: ResourceRef) => readonly ServedVersion[];
  readonly random: Random;
}

/** What one webhook is asked: the request in the version that it wants. */
interface Question {
  readonly webhook: Webhook;
  readonly request: AdmissionRequest;
  /** The kind as the client addressed it. */
  readonly asked: ResourceDefinition;
}

type ConfigurationKind = typeof mutatingConfigurations;

export function webhookAdmission({ lookup, versionsOf, random }: AdmissionSources): Admission {
  /** By the names of their configurations, then as they stand in them. */
  const webhooks = (resource: ConfigurationKind): Webhook[] =>
    [...lookup.list(resource)]
      .sort(({ metadata: { name: left = "" } }, { metadata: { name: right = "" } }) => (left < right ? -1 : 1))
      .flatMap((one) => (one as WebhookConfiguration).webhooks ?? []);
  /** Webhooks are not asked about webhooks, or nobody could take back one that denies everything. */
  const isExempt = ({ definition }: Asked): boolean => definition.group === mutatingConfigurations.group;
  const heardIn = (webhook: Webhook, asked: Asked): ServedVersion | undefined => {
    const { definition } = asked;
    const versions = versionsOf(definition);
    const own = versions.find((one) => one.definition.version === definition.version) ?? { definition, conversion: asItIs };
    return versionHeard(webhook, asked, { own, others: versions.filter((one) => one !== own) });
  };
  const ownVersion = ({ definition }: AdmissionRequest): ServedVersion | undefined =>
    versionsOf(definition).find((one) => one.definition.version === definition.version);

  /** What the webhook is to be asked; undefined when it does not want to know. */
  const questionFor = async (webhook: Webhook, request: AdmissionRequest): Promise<Question | undefined> => {
    const version = heardIn(webhook, request);
    if (version === undefined || !selects(lookup, webhook, request)) return undefined;
    const own = ownVersion(request);
    const into = async (object: KubeObject | undefined): Promise<KubeObject | undefined> =>
      object === undefined ? undefined : converted(object, { from: own, to: version, request });
    const [object, oldObject] = [await into(request.object), await into(request.oldObject)];
    const heard = {
      ...request,
      definition: version.definition,
      ...(object === undefined ? {} : { object }),
      ...(oldObject === undefined ? {} : { oldObject }),
    };
    return conditionsHold(webhook, heard) ? { webhook, request: heard, asked: request.definition } : undefined;
  };

  /** The patch that the webhook answers with, or undefined when there is none. Throws when it denies, or cannot be asked and must be. */
  const ask = async ({ webhook, request, asked }: Question, { mutating }: { readonly mutating: boolean }): Promise<Json | undefined> => {
    const { name, failurePolicy, timeoutSeconds = 10, sideEffects } = webhook;
    if (request.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun")
      throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
    const uid = uuid(random);
    let response: JsonObject;
    let patch: Json | undefined;
    try {
      const review = { ...reviewType, request: requestOf(request, { uid, asked }) };
      response = responseOf(await callWebhook(lookup, webhook.clientConfig, { review, timeoutMs: timeoutSeconds * 1_000 }), uid);
      if (mutating) patch = patchOf(response);
    } catch (error) {
      if (failurePolicy === "Ignore") return undefined;
      throw internalError(`failed calling webhook ${JSON.stringify(name)}: failed to call webhook: ${errorMessage(error)}`);
    }
    for (const warning of Array.isArray(response.warnings) ? response.warnings : []) request.warn(String(warning));
    if (response.allowed !== true) throw denied(name, response.status);
    return patch;
  };

  /** The object after one mutating webhook, in the version of the request. */
  const mutatedBy = async (webhook: Webhook, request: AdmissionRequest): Promise<{ asked: boolean; object: KubeObject | undefined }> => {
    const question = await questionFor(webhook, request);
    if (question === undefined) return { asked: false, object: request.object };
    const patch = await ask(question, { mutating: true });
    if (patch === undefined) return { asked: true, object: request.object };
    const heard = question.request.object;
    const changed = patched(webhook.name, heard, patch);
    if (isDeepStrictEqual(changed, heard)) return { asked: true, object: request.object };
    const from = versionsOf(request.definition).find((one) => one.definition === question.request.definition);
    return { asked: true, object: await converted(changed, { from, to: ownVersion(request), request }) };
  };

  return {
    concerns(request) {
      if (isExempt(request)) return false;
      return [mutatingConfigurations, validatingConfigurations].some((resource) =>
        webhooks(resource).some((webhook) => heardIn(webhook, request) !== undefined),
      );
    },
    async mutate(request) {
      if (isExempt(request)) return request.object;
      let { object } = request;
      const all = webhooks(mutatingConfigurations);
      /** Asked since the object last changed, with `reinvocationPolicy: IfNeeded`; and those that somebody has changed it behind. */
      const content = new Set<Webhook>();
      const outdated = new Set<Webhook>();
      const turn = async (webhook: Webhook): Promise<void> => {
        const before = object;
        const made = await mutatedBy(webhook, { ...request, ...(object === undefined ? {} : { object }) });
        ({ object } = made);
        if (object !== before) {
          for (const one of content) outdated.add(one);
          content.clear();
        }
        if (made.asked && webhook.reinvocationPolicy === "IfNeeded") content.add(webhook);
      };
      for (const webhook of all) await turn(webhook);
      // once more at most, or two that disagree would go on for ever
      for (const webhook of all) if (outdated.has(webhook)) await turn(webhook);
      return object;
    },
    async validate(request) {
      if (isExempt(request)) return;
      await Promise.all(
        webhooks(validatingConfigurations).map(async (webhook) => {
          const question = await questionFor(webhook, request);
          if (question !== undefined) await ask(question, { mutating: false });
        }),
      );
    },
  };
}

const asItIs: ServedVersion["conversion"] = { fromStored: (objects) => objects, toStored: (object) => object };

/** The object in another version of its kind. Objects of a subresource's own kind have one version. */
async function converted(
  object: KubeObject,
  {
    from,
    to,
    request,
  }: { readonly from: ServedVersion | undefined; readonly to: ServedVersion | undefined; readonly request: AdmissionRequest },
): Promise<KubeObject> {
  if (from === undefined || to === undefined || from === to || request.objectKind !== undefined) return object;
  return convertOne(to.conversion, await from.conversion.toStored(object));
}
