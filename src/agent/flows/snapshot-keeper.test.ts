import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createPipeline } from "#core/pipeline/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import { milliseconds, silentLogger, sleep, systemClock, systemRuntime } from "#lib/runtime/index.ts";
import { type FollowedPolicies, readSnapshot } from "../policies/index.ts";
import { createSnapshotKeeper } from "./snapshot-keeper.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "snapshot-keeper-"));
});
after(() => rm(directory, { recursive: true }));

test("what a full disk did not take is written when there is room again, without another change", async () => {
  const file = join(directory, "policies.snapshot");
  const failures: string[] = [];
  const logger = {
    ...silentLogger,
    error: (_message: string, fields?: { readonly error?: unknown }) => void failures.push(String(fields?.error)),
  };
  const stop = new AbortController();
  const keeper = createSnapshotKeeper({
    runtime: { ...systemRuntime(), logger },
    file,
    policies: () =>
      ({
        ready: true,
        networkPolicies: () => [],
        addressGroups: () => [],
        appliedToGroups: () => [],
        computed: () => undefined,
      }) as unknown as FollowedPolicies,
    compiler: createPolicyCompiler({ pipeline: createPipeline(), ledger: createFlowLedger() }),
    openPorts: () => ["web-1a2b3c"],
    signal: stop.signal,
  });
  // As good as a full disk: the file cannot be made.
  await mkdir(`${file}.new`);
  keeper.touch();
  keeper.inForce();
  while (failures.length === 0) await sleep(systemClock, milliseconds(5));
  assert.equal(await readSnapshot(file), undefined);
  await rmdir(`${file}.new`);
  while ((await readSnapshot(file)) === undefined) await sleep(systemClock, milliseconds(5));
  assert.deepEqual((await readSnapshot(file))?.openPorts, ["web-1a2b3c"]);
  assert.deepEqual(await readdir(directory), ["policies.snapshot"]);
  stop.abort();
});
