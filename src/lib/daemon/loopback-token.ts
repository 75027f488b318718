import { createHash, timingSafeEqual } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Authenticator, bearerToken } from "#lib/apiserver/auth/authenticator.ts";
import type { UserInfo } from "#lib/apiserver/user.ts";
import type { Random } from "#lib/runtime/random.ts";

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

export function createLoopbackToken({ runDir, random }: { readonly runDir: string; readonly random: Random }): LoopbackToken {
  const secret = Buffer.from(random.bytes(32)).toString("hex");
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(secret);
  return {
    matches: (presented) => timingSafeEqual(digest(presented), expected),
    async publish({ authority } = {}) {
      await mkdir(join(runDir, "apiserver"), { recursive: true, mode: 0o700 });
      if (authority !== undefined) await replaceFile(loopbackCaFile(runDir), authority);
      await replaceFile(loopbackTokenFile(runDir), secret);
    },
    withdraw: () => rm(loopbackTokenFile(runDir), { force: true }),
  };
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

async function replaceFile(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
