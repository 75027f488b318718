import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemFiles } from "./files.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "files-"));
});
after(() => rm(folder, { recursive: true }));

test("a file holds all pieces one after the other, however many and large they are", async () => {
  const path = join(folder, "pieces");
  // More than the system takes in one call, empty ones among them, and letters of several bytes.
  const pieces = Array.from({ length: 3_000 }, (_, index) => Buffer.from(index % 7 === 0 ? "" : `${index} – ${"ä".repeat(index % 500)}\n`));
  await systemFiles.replace(path, pieces, { durable: true });
  assert.ok((await readFile(path)).equals(Buffer.concat(pieces)));
  assert.equal(await systemFiles.read(path), Buffer.concat(pieces).toString());
  await systemFiles.replace(path, []);
  assert.equal(await systemFiles.read(path), "");
  assert.deepEqual(await readdir(folder), ["pieces"]);
});

test("a file that is larger than its reader can use is not read", async () => {
  const path = join(folder, "large");
  await systemFiles.replace(path, "äöü");
  assert.equal(await systemFiles.read(path, { atMost: 6 }), "äöü");
  await assert.rejects(systemFiles.read(path, { atMost: 5 }), { code: "FILE_TOO_LARGE" });
  await assert.rejects(systemFiles.read(join(folder, "none"), { atMost: 5 }), { code: "ENOENT" });
  await rm(path);
});
