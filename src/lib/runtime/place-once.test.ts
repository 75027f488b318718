import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { placeOnce } from "./place-once.ts";

test("of two who make a file the first one's stays the file that it was", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "place-once-"));
  context.after(() => rm(folder, { recursive: true }));
  const [first = "", second = "", path = ""] = ["first", "second", "made"].map((name) => join(folder, name));
  await writeFile(first, "first");
  await writeFile(second, "second");
  await placeOnce(first, path);
  const { ino } = await stat(path);
  await placeOnce(second, path);
  assert.equal(await readFile(path, "utf8"), "first");
  assert.equal((await stat(path)).ino, ino);
  await assert.rejects(placeOnce(join(folder, "nothing"), join(folder, "other")), { code: "ENOENT" });
});
