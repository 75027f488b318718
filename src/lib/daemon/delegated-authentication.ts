import { createHash } from "node:crypto";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import { serviceUnavailable, unauthorized } from "#lib/apiserver/errors.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { believedFor, createAnswerCache } from "./answer-cache.ts";

interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: Partial<UserInfo>;
    readonly error?: string;
  };
}

const tokenReviews: Resource<TokenReview> = {
  group: "authentication.k8s.io",
  version: "v1",
  plural: "tokenreviews",
  kind: "TokenReview",
  namespaced: false,
};

/** Whose token this is, asked of the Kubernetes API; undefined for nobody's. Rejects when the API does not answer. */
export type TokenReviewer = (token: string) => Promise<UserInfo | undefined>;

export function tokenReviewer({ client, clock }: { readonly client: KubeClient; readonly clock: Clock }): TokenReviewer {
  const cache = createAnswerCache<UserInfo | undefined>({ clock, believedFor });
  const review = async (token: string): Promise<UserInfo | undefined> => {
    const { status } = await client.create(tokenReviews, { metadata: {}, spec: { token } });
    const { username, uid, groups = [], extra } = status?.user ?? {};
    if (status?.authenticated !== true || username === undefined) return undefined;
    return { username, groups, ...(uid && { uid }), ...(extra && { extra }) };
  };
  // Tokens are not kept in memory.
  return (token) => cache.get(createHash("sha256").update(token).digest("hex"), () => review(token));
}

/** Bearer tokens, asked of the Kubernetes API. A token that it does not know is refused; when it does not answer, the request is not decided. */
export function delegatedAuthentication(options: { readonly client: KubeClient; readonly clock: Clock }): Authenticator {
  const userOf = tokenReviewer(options);
  return {
    async authenticate(request) {
      const token = bearerToken(request);
      if (token === undefined) return undefined;
      const user = await userOf(token).catch((error: unknown) => {
        throw serviceUnavailable(`the token cannot be checked: ${errorMessage(error)}`);
      });
      if (user === undefined) throw unauthorized();
      return user;
    },
  };
}
