import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { madeOnce } from "./made-once.ts";

test("who makes the same file meanwhile gets what the first one made, and it is made no more", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "made-once-"));
  context.after(() => rm(folder, { recursive: true }));
  const cache = join(folder, "cache");
  const file = join(cache, "localhost.json");
  const slow = await madeOnce(file, async () => {
    assert.equal(await madeOnce(file, () => "first"), "first");
    return "second";
  });
  assert.equal(slow, "first");
  assert.equal(await madeOnce(file, () => assert.fail("it is there")), "first");
  assert.deepEqual(await readdir(cache), ["localhost.json"]);
});
