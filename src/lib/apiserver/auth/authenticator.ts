import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Awaitable } from "../resource-store.ts";
import { authenticatedGroup, type UserInfo } from "../user.ts";

/** One way to know who asks. */
export interface Authenticator {
  /** Undefined when the request carries no credentials of this kind. Throws Unauthorized when it carries wrong ones. */
  authenticate(request: IncomingMessage): Awaitable<UserInfo | undefined>;
  /**
   * The same for a bare token, as a TokenReview asks; absent for ways without tokens. The token must be for one of `audiences`; absent: for this server.
   */
  authenticateToken?(token: string, audiences?: readonly string[]): Awaitable<TokenUser | undefined>;
}

export interface TokenUser {
  readonly user: UserInfo;
  /** Those of the audiences asked for that the token is for. Absent for tokens that know no audience: they are for this server alone. */
  readonly audiences?: readonly string[];
}

/** The user of the first authenticator that knows one, as a member of `system:authenticated`; undefined for nobody. */
export async function authenticate(authenticators: readonly Authenticator[], request: IncomingMessage): Promise<UserInfo | undefined> {
  for (const authenticator of authenticators) {
    const user = await authenticator.authenticate(request);
    if (user !== undefined) return withAuthenticatedGroup(user);
  }
  return undefined;
}

export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  return user.groups.includes(authenticatedGroup) ? user : { ...user, groups: [...user.groups, authenticatedGroup] };
}

/** The token of `Authorization: Bearer …`. */
export function bearerToken(request: IncomingMessage): string | undefined {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "");
  return match?.[1];
}

/** Users by bearer tokens that know no audience, so are for this server alone. `userOf` is asked with every request. */
export function tokenAuthenticator(userOf: (token: string) => UserInfo | undefined): Authenticator {
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

/** Whether two secrets are the same; how long that takes tells nothing of them. */
export const sameSecret = (one: string, other: string): boolean => timingSafeEqual(digestOf(one), digestOf(other));

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();
