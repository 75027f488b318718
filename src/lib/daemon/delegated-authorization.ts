import type { AccessAttributes, Authorizer, Decision } from "#lib/apiserver/auth/authorizer.ts";
import { serviceUnavailable } from "#lib/apiserver/errors.ts";
import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { believedFor, createAnswerCache } from "./answer-cache.ts";

interface SubjectAccessReview extends KubeObject {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: { readonly allowed?: boolean; readonly reason?: string };
}

const subjectAccessReviews: Resource<SubjectAccessReview> = {
  group: "authorization.k8s.io",
  version: "v1",
  plural: "subjectaccessreviews",
  kind: "SubjectAccessReview",
  namespaced: false,
};

/** Whether somebody may do something, asked of the Kubernetes API. Rejects when the API does not answer. */
export type AccessReviewer = (attributes: AccessAttributes) => Promise<Decision>;

export function accessReviewer({ client, clock }: { readonly client: KubeClient; readonly clock: Clock }): AccessReviewer {
  const cache = createAnswerCache<Decision>({ clock, believedFor });
  return (attributes) => {
    const spec = reviewOf(attributes);
    return cache.get(JSON.stringify(spec), async () => {
      const { status } = await client.create(subjectAccessReviews, { metadata: {}, spec });
      return { allowed: status?.allowed === true, reason: status?.reason ?? "" };
    });
  };
}

/** Who may do what, asked of the Kubernetes API. When it does not answer, the request is refused as undecided, not allowed. */
export function delegatedAuthorization(options: { readonly client: KubeClient; readonly clock: Clock }): Authorizer {
  const decide = accessReviewer(options);
  return {
    authorize: (attributes) =>
      decide(attributes).catch((error: unknown) => {
        throw serviceUnavailable(`access cannot be checked: ${errorMessage(error)}`);
      }),
  };
}

function reviewOf({ user, verb, resource, path }: AccessAttributes): Readonly<Record<string, unknown>> {
  const { username, uid, groups, extra } = user;
  return {
    user: username,
    groups,
    ...(uid && { uid }),
    ...(extra && { extra }),
    ...(resource ? { resourceAttributes: { ...resource, verb } } : { nonResourceAttributes: { path, verb } }),
  };
}
