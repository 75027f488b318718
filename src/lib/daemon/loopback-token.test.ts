import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Files, seconds, seededRandom, silentLogger, systemFiles, systemRandom, virtualClock } from "#lib/runtime/index.ts";
import { createLoopbackToken, keepPublished, loopbackAuthenticator, loopbackCaFile, loopbackTokenFile } from "./loopback-token.ts";

const runDir = await mkdtemp(join(tmpdir(), "daemon-token-"));
after(() => rm(runDir, { recursive: true }));

test("who can read the file may ask, until it is withdrawn", async () => {
  const token = createLoopbackToken({ runDir, random: systemRandom });
  await token.publish({ authority: "PEM" });
  const secret = await readFile(loopbackTokenFile(runDir), "utf8");
  assert.equal(await readFile(loopbackCaFile(runDir), "utf8"), "PEM");
  assert.equal((await stat(loopbackTokenFile(runDir))).mode & 0o777, 0o600);
  assert.deepEqual(
    [secret, `${secret}x`, secret.slice(1), ""].map((shown) => token.matches(shown)),
    [true, false, false, false],
  );
  const user = { username: "local", groups: [] };
  const authenticator = loopbackAuthenticator(token, user);
  const shown = (authorization?: string) => authenticator.authenticate({ headers: { authorization } } as IncomingMessage);
  assert.deepEqual([shown(`Bearer ${secret}`), shown("Bearer other"), shown()], [user, undefined, undefined]);

  // a new run does not know the old secret, and takes the old file away
  const next = createLoopbackToken({ runDir, random: systemRandom });
  assert.equal(next.matches(secret), false);
  await next.withdraw();
  await next.withdraw();
  await assert.rejects(stat(loopbackTokenFile(runDir)), { code: "ENOENT" });
});

test("a disk that is full when a daemon starts holds up local tools alone: the token is there when there is room", async () => {
  const clock = virtualClock();
  const runtime = { clock, random: seededRandom(1), logger: silentLogger };
  const written = new Map<string, string>();
  const disk = { full: true };
  const files: Files = {
    ...systemFiles,
    makeFolder: () => Promise.resolve(),
    replace: (path, text) => (disk.full ? Promise.reject(new Error("ENOSPC")) : Promise.resolve(void written.set(path, String(text)))),
  };
  const token = createLoopbackToken({ runDir: "/run", random: runtime.random, files });
  await keepPublished({ runtime, token, signal: new AbortController().signal });
  assert.equal(written.size, 0);
  disk.full = false;
  clock.advance(seconds(2));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(token.matches(written.get(loopbackTokenFile("/run")) ?? ""));
});
