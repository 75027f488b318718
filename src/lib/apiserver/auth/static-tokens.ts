import { createHash, timingSafeEqual } from "node:crypto";
import { unauthorized } from "../errors.ts";
import type { UserInfo } from "../user.ts";
import { type Authenticator, bearerToken } from "./authenticator.ts";

/** Users by fixed bearer tokens. How long the comparison takes tells nothing of the tokens. */
export function staticTokenAuthenticator(users: ReadonlyMap<string, UserInfo>): Authenticator {
  const digests = [...users].map(([token, user]) => ({ digest: digestOf(token), user }));
  const userOf = (token: string): UserInfo | undefined => {
    const digest = digestOf(token);
    return digests.filter((known) => timingSafeEqual(known.digest, digest))[0]?.user;
  };
  return {
    authenticate(request) {
      const token = bearerToken(request);
      return token === undefined ? undefined : userOf(token);
    },
    authenticateToken(token, audiences) {
      const user = audiences === undefined ? userOf(token) : undefined;
      return user === undefined ? undefined : { user };
    },
  };
}

/** Stands last: a bearer token that nobody before knew is wrong, and not a request without credentials. */
export const refuseUnknownTokens: Authenticator = {
  authenticate(request) {
    if (bearerToken(request) !== undefined) throw unauthorized();
    return undefined;
  },
};

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();
