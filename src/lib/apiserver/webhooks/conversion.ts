import { apiVersionOf } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type Random, uuid } from "#lib/runtime/random.ts";
import { internalError } from "../errors.ts";
import type { Conversion } from "../kinds/conversion.ts";
import type { Lookup } from "../resource.ts";
import { callWebhook, type WebhookClientConfig } from "./call.ts";

/** How long a webhook may take to convert, as of the real server. */
const timeoutMs = 30_000;

/** Conversion between a served and the stored version of a custom kind by a webhook (`apiextensions.k8s.io/v1 ConversionReview`). */
export function webhookConversion(options: {
  readonly lookup: Lookup;
  readonly random: Random;
  readonly clientConfig: WebhookClientConfig;
  readonly kind: { readonly group: string; readonly kind: string };
  readonly served: string;
  readonly stored: string;
}): Conversion {
  const { lookup, random, clientConfig, kind } = options;
  const version = (name: string): string => apiVersionOf({ group: kind.group, version: name });
  /** Stored objects never change, and many clients read the same. */
  const converted = new WeakMap<KubeObject, KubeObject>();

  const convert = async (objects: readonly KubeObject[], desired: string): Promise<readonly KubeObject[]> => {
    const uid = uuid(random);
    try {
      const review = {
        kind: "ConversionReview",
        apiVersion: "apiextensions.k8s.io/v1",
        request: { uid, desiredAPIVersion: desired, objects },
      };
      const { response } = (await callWebhook(lookup, clientConfig, { review, timeoutMs })) as { readonly response?: ConversionResponse };
      if (response?.uid !== uid) throw new Error("the answer has another uid");
      if (response.result?.status !== "Success") throw new Error(response.result?.message ?? "no reason was given");
      const { convertedObjects = [] } = response;
      if (convertedObjects.length !== objects.length) throw new Error(`expected ${objects.length} objects, got ${convertedObjects.length}`);
      return convertedObjects.map((object, index) => keptMetadata(object, objects[index] as KubeObject, desired));
    } catch (error) {
      throw internalError(`conversion webhook for ${version(options.stored)}, Kind=${kind.kind} failed: ${errorMessage(error)}`);
    }
  };

  const fromStored = async (objects: readonly KubeObject[]): Promise<readonly KubeObject[]> => {
    const desired = version(options.served);
    const unknown = objects.filter((object) => object.apiVersion !== desired && !converted.has(object));
    const answers = unknown.length === 0 ? [] : await convert(unknown, desired);
    for (const [index, object] of unknown.entries()) converted.set(object, answers[index] as KubeObject);
    return objects.map((object) => converted.get(object) ?? object);
  };
  return {
    fromStored: (objects) => (objects.every(({ apiVersion }) => apiVersion === version(options.served)) ? objects : fromStored(objects)),
    toStored(object) {
      const desired = version(options.stored);
      if (object.apiVersion === desired) return object;
      return convert([object], desired).then(([only = object]) => only);
    },
  };
}

interface ConversionResponse {
  readonly uid?: string;
  readonly result?: { readonly status?: string; readonly message?: string };
  readonly convertedObjects?: readonly KubeObject[];
}

/** A webhook may change labels and annotations, and nothing else of the metadata. */
function keptMetadata(object: KubeObject, before: KubeObject, desired: string): KubeObject {
  if (object?.apiVersion !== desired) throw new Error(`expected ${desired}, got ${String(object?.apiVersion)}`);
  const { labels, annotations } = object.metadata ?? {};
  const { labels: _labels, annotations: _annotations, ...kept } = before.metadata;
  const metadata = { ...kept, ...(labels === undefined ? {} : { labels }), ...(annotations === undefined ? {} : { annotations }) };
  return { ...object, metadata };
}
