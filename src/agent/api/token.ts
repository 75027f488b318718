import { createHash, timingSafeEqual } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "#lib/runtime/index.ts";

/** Where local tools find what they need to talk to the agent, below the agent's run folder. */
export const loopbackTokenFile = (runDir: string): string => join(runDir, "apiserver", "loopback-client-token");
export const loopbackCaFile = (runDir: string): string => join(runDir, "apiserver", "loopback-client-ca.crt");

/** The secret of one run of the agent: who can read the file may ask. */
export interface LoopbackToken {
  /** Compares in a time that tells nothing of where the texts differ. */
  matches(presented: string): boolean;
  /** Puts token and CA where local tools look for them: the sign that the agent is ready. */
  publish(certificate: string): Promise<void>;
}

export function createLoopbackToken(options: { readonly runDir: string; readonly random: Random }): LoopbackToken {
  const secret = Buffer.from(options.random.bytes(32)).toString("hex");
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(secret);
  return {
    matches: (presented) => timingSafeEqual(digest(presented), expected),
    async publish(certificate) {
      await mkdir(join(options.runDir, "apiserver"), { recursive: true, mode: 0o700 });
      await replaceFile(loopbackCaFile(options.runDir), certificate);
      await replaceFile(loopbackTokenFile(options.runDir), secret);
    },
  };
}

/** Takes away what a former run left: its token is not ours. */
export async function withdrawLoopbackToken(runDir: string): Promise<void> {
  await rm(loopbackTokenFile(runDir), { force: true });
}

async function replaceFile(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, content, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
