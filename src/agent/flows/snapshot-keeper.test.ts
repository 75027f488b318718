import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Group } from "#core/api/controlplane/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createPipeline } from "#core/pipeline/index.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import {
  type Duration,
  type Files,
  milliseconds,
  type Runtime,
  seconds,
  silentLogger,
  sleep,
  systemClock,
  systemRuntime,
  virtualClock,
} from "#lib/runtime/index.ts";
import { memoryFiles, textOf } from "#lib/runtime/testing/memory-files.ts";
import type { FollowedPolicies } from "../policies/index.ts";
import { readSnapshot } from "../policies/index.ts";
import { createSnapshotKeeper } from "./snapshot-keeper.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "snapshot-keeper-"));
});
after(() => rm(directory, { recursive: true }));

/** A keeper, with what it is to keep as the test has it at the moment. */
function keeperOf(options: { readonly runtime: Partial<Runtime>; readonly file: string; readonly files?: Files }) {
  const stop = new AbortController();
  const now = { groups: [] as readonly Group[], openPorts: ["web-1a2b3c"] as readonly string[], isWhole: true };
  const keeper = createSnapshotKeeper({
    ...options,
    runtime: { ...systemRuntime(), logger: silentLogger, ...options.runtime },
    policies: () =>
      ({
        ready: true,
        isWhole: now.isWhole,
        networkPolicies: () => [],
        addressGroups: () => now.groups,
        appliedToGroups: () => [],
        computed: () => undefined,
      }) as unknown as FollowedPolicies,
    compiler: createPolicyCompiler({ pipeline: createPipeline(), ledger: createFlowLedger() }),
    openPorts: () => now.openPorts,
    signal: stop.signal,
  });
  return { keeper, now, stop: () => stop.abort() };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what a full disk did not take is written when there is room again, without another change", async () => {
  const file = join(directory, "policies.snapshot");
  const failures: string[] = [];
  const logger = {
    ...silentLogger,
    error: (_message: string, fields?: { readonly error?: unknown }) => void failures.push(String(fields?.error)),
  };
  const { keeper, stop } = keeperOf({ runtime: { logger }, file });
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
  stop();
});

test("while changes never end, the larger a snapshot is the more rarely it is written, and behind calm at once", async () => {
  const clock = virtualClock();
  const members = Array.from({ length: 20_000 }, (_, index) => ({
    pod: { namespace: "shop", name: `pod-with-a-name-of-its-own-${index}` },
    ips: [parseAddress("10.0.0.1")],
    ports: [],
  }));
  const state: { lengths: number[] } = { lengths: [] };
  const files: Files = { ...memoryFiles().files, replace: async (_path, content) => void state.lengths.push(textOf(content).length) };
  const { keeper, now, stop } = keeperOf({ runtime: { clock }, file: "policies", files });
  /** How often it is written in ten seconds of changes each 100 ms. */
  const writes = async (): Promise<number> => {
    state.lengths = [];
    for (let step = 0; step < 100; step++) {
      keeper.touch();
      keeper.inForce();
      clock.advance(milliseconds(100));
      await settled();
    }
    return state.lengths.length;
  };
  const small = await writes();
  assert.ok(small >= 4 && small <= 7, `${small} writes`);
  now.groups = [{ name: "all", uid: "all", members }];
  await writes();
  const large = await writes();
  assert.ok(large >= 1 && large <= 3, `${large} writes of ${state.lengths[0]} bytes`);
  const settle = async (duration: Duration): Promise<number> => {
    state.lengths = [];
    clock.advance(duration);
    await settled();
    return state.lengths.length;
  };
  await settle(seconds(10));
  keeper.touch();
  keeper.inForce();
  assert.deepEqual([await settle(milliseconds(499)), await settle(milliseconds(1))], [0, 1]);
  stop();
});

test("an end leaves on disk what was last in force and waited for its turn, and nothing that came after", async () => {
  const clock = virtualClock();
  const { files } = memoryFiles();
  const { keeper, now, stop } = keeperOf({ runtime: { clock }, file: "policies", files });
  const open = async (): Promise<readonly string[] | undefined> => (await readSnapshot("policies", files))?.openPorts;
  keeper.touch();
  keeper.inForce();
  clock.advance(seconds(1));
  await settled();
  assert.deepEqual(await open(), ["web-1a2b3c"]);
  now.openPorts = ["in-force"];
  keeper.touch();
  keeper.inForce();
  now.openPorts = ["not-yet"];
  keeper.touch();
  stop();
  // The switch is not followed any more.
  keeper.inForce();
  await keeper.close();
  assert.deepEqual(await open(), ["in-force"]);
  clock.advance(seconds(60));
  await settled();
  assert.deepEqual(await open(), ["in-force"]);
});

test("what is written at its turn is what was in force, also when more has come since, and no change is written by halves", async () => {
  const clock = virtualClock();
  const { files } = memoryFiles();
  const { keeper, now, stop } = keeperOf({ runtime: { clock }, file: "policies", files });
  const written = async (): Promise<readonly string[] | undefined> => {
    clock.advance(seconds(5));
    await settled();
    return (await readSnapshot("policies", files))?.openPorts;
  };
  now.openPorts = ["in-force"];
  keeper.touch();
  keeper.inForce();
  now.openPorts = ["not-yet"];
  keeper.touch();
  assert.deepEqual(await written(), ["in-force"]);
  now.isWhole = false;
  keeper.inForce();
  assert.deepEqual(await written(), ["in-force"]);
  now.isWhole = true;
  keeper.inForce();
  assert.deepEqual(await written(), ["not-yet"]);
  stop();
});

test("an end waits for a write under way and writes what came meanwhile", async () => {
  const clock = virtualClock();
  const memory = memoryFiles();
  const turn = Promise.withResolvers<void>();
  const files: Files = {
    ...memory.files,
    async replace(path, content) {
      await turn.promise;
      await memory.files.replace(path, content);
    },
  };
  const { keeper, now, stop } = keeperOf({ runtime: { clock }, file: "policies", files });
  keeper.touch();
  keeper.inForce();
  clock.advance(seconds(1));
  now.openPorts = ["later"];
  keeper.touch();
  keeper.inForce();
  stop();
  const closed = keeper.close();
  await settled();
  assert.equal(memory.texts.size, 0);
  turn.resolve();
  await closed;
  assert.deepEqual((await readSnapshot("policies", files))?.openPorts, ["later"]);
});

test("a disk that hangs holds up no end for longer than two seconds", async () => {
  const clock = virtualClock();
  const errors: string[] = [];
  const files: Files = { ...memoryFiles().files, replace: () => new Promise(() => {}) };
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  const { keeper, stop } = keeperOf({ runtime: { clock, logger }, file: "policies", files });
  keeper.touch();
  keeper.inForce();
  stop();
  const state = { closed: false };
  const closed = keeper.close().then(() => {
    state.closed = true;
  });
  clock.advance(milliseconds(1_999));
  await settled();
  assert.equal(state.closed, false);
  clock.advance(milliseconds(1));
  await closed;
  assert.match(errors.join(), /does not take the policies in time/);
});

test("an end that finds nothing to write leaves the file and no timer", async () => {
  const clock = virtualClock();
  const { files, texts } = memoryFiles();
  const { keeper, stop } = keeperOf({ runtime: { clock }, file: "policies", files });
  stop();
  await keeper.close();
  assert.deepEqual([texts.size, clock.next], [0, undefined]);
});
