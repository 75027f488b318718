import type { KubeObject, LabelSelector } from "#lib/kube/types.ts";
import type { ResourceRef } from "../resource.ts";
import type { WebhookClientConfig } from "./call.ts";

/** `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration` and `ValidatingWebhookConfiguration`. */
export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly Webhook[];
}

export interface Webhook {
  readonly name: string;
  readonly clientConfig: WebhookClientConfig;
  readonly rules?: readonly WebhookRule[];
  readonly failurePolicy?: string;
  readonly matchPolicy?: string;
  /** Of mutating ones. */
  readonly reinvocationPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
  readonly sideEffects: string;
  readonly timeoutSeconds?: number;
  readonly admissionReviewVersions: readonly string[];
  readonly matchConditions?: readonly { readonly name: string; readonly expression: string }[];
}

export interface WebhookRule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
}

const group = "admissionregistration.k8s.io";
export const mutatingConfigurations: ResourceRef = { group, resource: "mutatingwebhookconfigurations" };
export const validatingConfigurations: ResourceRef = { group, resource: "validatingwebhookconfigurations" };
