import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAddress } from "#lib/ip/index.ts";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { openQuarantine, quarantineTime } from "./quarantine.ts";

describe("address quarantine", () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "quarantine-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("keeps addresses back for its time, across a restart of the agent", async () => {
    const runtime = virtualRuntime({ seed: 1 });
    const path = join(directory, "run", "quarantine.json");
    const first = await openQuarantine({ runtime, path });
    await Promise.all([first.add([parseAddress("10.0.0.2"), parseAddress("fd00::2")]), first.add([parseAddress("10.0.0.3")])]);
    runtime.clock.advance(quarantineTime - seconds(1));
    await first.add([parseAddress("10.0.0.3")]);
    const second = await openQuarantine({ runtime, path });
    const keptBack = (): string[] => ["10.0.0.2", "fd00::2", "10.0.0.3"].filter(second.has);
    assert.deepEqual(keptBack(), ["10.0.0.2", "fd00::2", "10.0.0.3"]);
    runtime.clock.advance(seconds(2));
    assert.deepEqual(keptBack(), ["10.0.0.3"]);
    assert.equal(second.size, 1);
  });

  it("starts empty on a record it cannot read, and holds no address for longer than its time", async () => {
    const runtime = virtualRuntime({ seed: 1 });
    const path = join(directory, "bad.json");
    for (const text of [
      "",
      "null",
      "[]",
      '{"addresses":[null,{"address":"x","until":3}]}',
      '{"addresses":[{"address":"10.0.0.2","until":"2999-01-01T00:00:00Z"}]}',
    ]) {
      await writeFile(path, text);
      assert.equal((await openQuarantine({ runtime, path })).size, 0, text);
    }
  });

  it("is bounded", async () => {
    const runtime = virtualRuntime({ seed: 1 });
    const path = join(directory, "many.json");
    const quarantine = await openQuarantine({ runtime, path });
    await quarantine.add(Array.from({ length: 10_000 }, (_, index) => parseAddress("10.0.0.0").plus(BigInt(index))));
    assert.equal(quarantine.size, 8_192);
    assert.ok(quarantine.has("10.0.39.15"), "the last ones are kept");
    assert.ok((await readFile(path)).length < 800_000);
  });
});
