import { unauthorized } from "../errors.ts";
import type { UserInfo } from "../user.ts";
import { type Authenticator, bearerToken, sameSecret, tokenAuthenticator } from "./authenticator.ts";

/** Users by fixed bearer tokens. How long the comparison takes tells nothing of the tokens. */
export const staticTokenAuthenticator = (users: ReadonlyMap<string, UserInfo>): Authenticator =>
  tokenAuthenticator((token) => [...users].filter(([known]) => sameSecret(known, token))[0]?.[1]);

/** Stands last: a bearer token that nobody before knew is wrong, and not a request without credentials. */
export const refuseUnknownTokens: Authenticator = {
  authenticate(request) {
    if (bearerToken(request) !== undefined) throw unauthorized();
    return undefined;
  },
};
