import { createHash, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import { retryUntilDone } from "#lib/runtime/backoff.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { type Files, systemFiles } from "#lib/runtime/files.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Where local tools find what they need to talk to a daemon, below its run folder. */
export const loopbackTokenFile = (runDir: string): string => join(runDir, "apiserver", "loopback-client-token");
export const loopbackCaFile = (runDir: string): string => join(runDir, "apiserver", "loopback-client-ca.crt");

/** The secret of one run of a daemon: who can read the file, root alone, may ask everything. */
export interface LoopbackToken {
  /** Compares in a time that tells nothing of where the texts differ. */
  matches(presented: string): boolean;
  /** Puts the token, and the authority (PEM) of the daemon's certificate if it has one of its own, where local tools look for them. */
  publish(options?: { readonly authority?: string }): Promise<void>;
  /** Takes the token away, also that of a former run: it is not ours. */
  withdraw(): Promise<void>;
}

export function createLoopbackToken({
  runDir,
  random,
  files = systemFiles,
}: {
  readonly runDir: string;
  readonly random: Random;
  readonly files?: Files;
}): LoopbackToken {
  const secret = Buffer.from(random.bytes(32)).toString("hex");
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(secret);
  return {
    matches: (presented) => timingSafeEqual(digest(presented), expected),
    async publish({ authority } = {}) {
      await files.makeFolder(join(runDir, "apiserver"));
      if (authority !== undefined) await files.replace(loopbackCaFile(runDir), authority);
      await files.replace(loopbackTokenFile(runDir), secret);
    },
    withdraw: () => files.remove(loopbackTokenFile(runDir)),
  };
}

/** Publishes the token; where that fails, as on a full disk, tells it and tries again in the background: local tools alone have to wait. */
export async function keepPublished(options: {
  readonly runtime: Runtime;
  readonly token: LoopbackToken;
  readonly authority?: string;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { runtime, token, authority, signal } = options;
  const first = Promise.withResolvers<void>();
  retryUntilDone(runtime, () => token.publish(authority === undefined ? {} : { authority }), {
    initial: seconds(1),
    limit: seconds(60),
    signal,
    onFailure(error) {
      runtime.logger.error("the token for local tools cannot be written; trying again", { error: errorMessage(error) });
      first.resolve();
    },
  }).then(first.resolve, () => first.resolve());
  await first.promise;
}

/** Takes who shows the token for `user`. */
export function loopbackAuthenticator(token: LoopbackToken, user: UserInfo): Authenticator {
  return {
    authenticate(request) {
      const shown = bearerToken(request);
      return shown !== undefined && token.matches(shown) ? user : undefined;
    },
  };
}
