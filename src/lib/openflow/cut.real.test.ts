import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Random, seededRandom, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { type BundledChange, bundleLimit, connectOpenFlow, type OpenFlowConnection } from "./connection.ts";
import type { Flow } from "./flow.ts";
import { cutSocket } from "./testing/cut-socket.ts";
import { type PrivateSwitch, startPrivateSwitch } from "./testing/private-switch.ts";

// The real ovs-vswitchd, and a connection that breaks at any byte of a change in several bundles.

const runtime = { ...systemRuntime(), logger: silentLogger };
/** `CUTS=1000 CUT_SEED=7` for more. */
const cuts = Number(process.env.CUTS ?? 30);
const seed = Number(process.env.CUT_SEED ?? 1);

const flow = (number: number, cookie: bigint): Flow => ({ table: 1, priority: 1, cookie, match: { reg0: BigInt(number) }, actions: [] });
const numbers = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);
const add =
  (cookie: bigint) =>
  (number: number): BundledChange => ({ command: "add", flow: flow(number, cookie) });
const present = numbers(0, 1_250).map(add(1n));
/** Some of it takes the place of what is there, some is new, and some that is there goes: three bundles. */
const change: readonly BundledChange[] = [
  ...numbers(600, 1_700).map(add(2n)),
  ...numbers(0, 600).map((number): BundledChange => ({ command: "delete_strict", flow: flow(number, 1n) })),
];

/** The switch's flows, number and cookie, in order. */
type Content = readonly string[];

/** By number of bundles that were made. */
const contents: readonly Content[] = numbers(0, Math.ceil(change.length / bundleLimit) + 1).map((bundles) => {
  const flows = new Map<bigint, bigint>();
  for (const { command, ...rest } of [...present, ...change.slice(0, bundles * bundleLimit)]) {
    const { match, cookie } = (rest as { readonly flow: Flow }).flow;
    if (command === "add") flows.set(match.reg0 as bigint, cookie);
    else flows.delete(match.reg0 as bigint);
  }
  return [...flows].map(([number, cookie]) => `${number} ${cookie}`).sort();
});

let ovs: PrivateSwitch;
let witness: OpenFlowConnection;
before(async () => {
  ovs = await startPrivateSwitch();
  witness = await connectOpenFlow({ runtime, path: ovs.management("br0") });
});
after(async () => {
  witness?.close();
  await ovs?.stop();
});

async function content(): Promise<Content> {
  const flows: string[] = [];
  for await (const { match, cookie } of witness.dumpFlows({ table: 1 })) flows.push(`${match.reg0} ${cookie}`);
  return flows.sort();
}

/** Makes the change anew over a connection that breaks behind the byte `at` of it. Gives what came of it, and how many bytes it takes in all. */
async function changeCut(at: number): Promise<{ readonly bundles: number; readonly acknowledged: boolean; readonly bytes: number }> {
  await witness.change([{ command: "delete", flow: { table: 1, priority: 0, cookie: 0n, match: {}, actions: [] } }, ...present]);
  const greeting = await greetingBytes();
  const cut = cutSocket({ path: ovs.management("br0"), after: greeting + at });
  const connection = await connectOpenFlow({ runtime, socket: cut.socket });
  const acknowledged = await connection.change(change).then(
    () => true,
    (error: unknown) => {
      assert.equal((error as { code?: string }).code, "OPENFLOW_CONNECTION_LOST");
      return false;
    },
  );
  connection.close();
  await cut.over;
  const found = await content();
  const bundles = contents.findIndex((expected) => expected.join() === found.join());
  assert.notEqual(bundles, -1, `cut at byte ${at}: ${found.length} flows, which is no whole number of bundles`);
  return { bundles, acknowledged, bytes: cut.offered - greeting };
}

/** What a connection sends before it is asked for anything: the same each time. */
async function greetingBytes(): Promise<number> {
  const counted = cutSocket({ path: ovs.management("br0"), after: Number.POSITIVE_INFINITY });
  const connection = await connectOpenFlow({ runtime, socket: counted.socket });
  const { offered } = counted;
  connection.close();
  await counted.over;
  return offered;
}

test(`a connection that breaks at ${cuts} bytes of a change leaves whole bundles, in order, each time`, {
  timeout: patience(240_000 + cuts * 2_000),
}, async (context) => {
  const random = seededRandom(seed);
  const whole = await changeCut(Number.POSITIVE_INFINITY);
  assert.deepEqual([whole.bundles, whole.acknowledged], [contents.length - 1, true]);
  const outcomes = contents.map(() => 0);
  for (const at of momentsOf(whole.bytes, random)) {
    const { bundles, acknowledged } = await changeCut(at);
    assert.equal(acknowledged, false, `byte ${at} was lost and nobody noticed`);
    outcomes[bundles] = (outcomes[bundles] ?? 0) + 1;
  }
  for (const [bundles, count] of outcomes.entries()) assert.ok(count > 0, `no cut left ${bundles} bundles`);
  context.diagnostic(`${whole.bytes} bytes; by bundles that were made: ${outcomes.join(", ")}`);
});

/** Anywhere, and around the last bytes, where the last bundle is closed and committed; behind the last only the answer is lost. */
const momentsOf = (bytes: number, random: Random): number[] => [
  1,
  2,
  ...numbers(0, cuts).map(() => 1 + random.below(bytes)),
  ...[0, 1, 15, 16, 17, 33].map((before) => bytes - before),
];
