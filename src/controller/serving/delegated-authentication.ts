import { createHash } from "node:crypto";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import { serviceUnavailable, unauthorized } from "#lib/apiserver/errors.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { KubeClient, KubeObject, Resource } from "#lib/kube/index.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { createAnswerCache } from "./answer-cache.ts";

interface TokenReview extends KubeObject {
  readonly spec: { readonly token: string };
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: {
      readonly username?: string;
      readonly uid?: string;
      readonly groups?: readonly string[];
      readonly extra?: UserInfo["extra"];
    };
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

/** How long an answer of the Kubernetes API is believed: as of the servers that Kubernetes' own library makes. */
const believedFor = seconds(10);

/** Bearer tokens, asked of the Kubernetes API. A token that it does not know is refused; when it does not answer, the request is not decided. */
export function delegatedAuthentication({ client, clock }: { readonly client: KubeClient; readonly clock: Clock }): Authenticator {
  const cache = createAnswerCache<UserInfo | undefined>({ clock, believedFor });
  const review = async (token: string): Promise<UserInfo | undefined> => {
    const { status } = await client.create(tokenReviews, { metadata: {}, spec: { token } }).catch((error: unknown) => {
      throw serviceUnavailable(`the token cannot be checked: ${errorMessage(error)}`);
    });
    const { username, uid, groups = [], extra } = status?.user ?? {};
    if (status?.authenticated !== true || username === undefined) return undefined;
    return { username, groups, ...(uid && { uid }), ...(extra && { extra }) };
  };
  return {
    async authenticate(request) {
      const token = bearerToken(request);
      if (token === undefined) return undefined;
      // Tokens are not kept in memory.
      const key = createHash("sha256").update(token).digest("hex");
      const user = await cache.get(key, () => review(token));
      if (user === undefined) throw unauthorized();
      return user;
    },
  };
}
