import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createPipeline } from "#core/pipeline/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import type { Group } from "#core/api/controlplane/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import {
  type Duration,
  type Files,
  milliseconds,
  seconds,
  silentLogger,
  sleep,
  systemClock,
  systemFiles,
  systemRuntime,
  virtualClock,
} from "#lib/runtime/index.ts";
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

test("while changes never end, the larger a snapshot is the more rarely it is written, and behind calm at once", async () => {
  const clock = virtualClock();
  const stop = new AbortController();
  const members = Array.from({ length: 20_000 }, (_, index) => ({
    pod: { namespace: "shop", name: `pod-with-a-name-of-its-own-${index}` },
    ips: [parseAddress("10.0.0.1")],
    ports: [],
  }));
  const state: { groups: Group[]; lengths: number[] } = { groups: [], lengths: [] };
  const files: Files = {
    ...systemFiles,
    async replace(_path, text) {
      await Promise.resolve();
      state.lengths.push(text.length);
    },
  };
  const keeper = createSnapshotKeeper({
    runtime: { ...systemRuntime(), logger: silentLogger, clock },
    file: "policies.snapshot",
    files,
    policies: () =>
      ({
        ready: true,
        networkPolicies: () => [],
        addressGroups: () => state.groups,
        appliedToGroups: () => [],
        computed: () => undefined,
      }) as unknown as FollowedPolicies,
    compiler: createPolicyCompiler({ pipeline: createPipeline(), ledger: createFlowLedger() }),
    openPorts: () => [],
    signal: stop.signal,
  });
  /** How often it is written in ten seconds of changes each 100 ms. */
  const writes = async (): Promise<number> => {
    state.lengths = [];
    for (let step = 0; step < 100; step++) {
      keeper.touch();
      keeper.inForce();
      clock.advance(milliseconds(100));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return state.lengths.length;
  };
  const small = await writes();
  assert.ok(small >= 4 && small <= 7, `${small} writes`);
  state.groups = [{ name: "all", uid: "all", members }];
  await writes();
  const large = await writes();
  assert.ok(large >= 1 && large <= 3, `${large} writes of ${state.lengths[0]} bytes`);
  const settle = async (duration: Duration): Promise<number> => {
    state.lengths = [];
    clock.advance(duration);
    await new Promise((resolve) => setImmediate(resolve));
    return state.lengths.length;
  };
  await settle(seconds(10));
  keeper.touch();
  keeper.inForce();
  assert.deepEqual([await settle(milliseconds(499)), await settle(milliseconds(1))], [0, 1]);
  stop.abort();
});
