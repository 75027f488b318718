import assert from "node:assert/strict";
import { test } from "node:test";
import { besideStrangers, compileSkeleton, createPipeline, entryTable } from "#core/pipeline/index.ts";
import type { Flow, FlowEntry } from "#lib/openflow/flow.ts";
import { parseFlow } from "#lib/openflow/flow-text.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { findBank } from "./find-bank.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const { signal } = new AbortController();
const holding = (flows: readonly Flow[]) => async () => ({
  dumpFlows: async function* () {
    yield* flows as readonly FlowEntry[];
  },
  close() {},
});

test("flows go where equal ones are, and beside those of another layout or with numbers that nobody remembers", async () => {
  assert.deepEqual(await findBank({ connect: holding([]), runtime, remembers: true, signal }), { bank: 0, moves: false });
  for (const [bank, other] of [
    [0, 1],
    [1, 0],
    [2, 1],
  ] as const) {
    const entry = compileSkeleton(createPipeline({ bank })).filter(({ table }) => table === entryTable);
    assert.deepEqual(await findBank({ connect: holding(entry), runtime, remembers: true, signal }), { bank, moves: false });
    assert.deepEqual(await findBank({ connect: holding(entry), runtime, layout: 7, remembers: true, signal }), {
      bank: other,
      moves: true,
    });
    assert.deepEqual(await findBank({ connect: holding(entry), runtime, remembers: false, signal }), { bank: other, moves: true });
  }
  assert.deepEqual(await findBank({ connect: holding([]), runtime, remembers: false, signal }), { bank: 0, moves: false });
});

test("flows go behind all tables of a stranger, whatever round antrea (Go) has", async () => {
  for (const round of [0n, 1n, 7n]) {
    const entry = parseFlow("table=0,priority=200,arp,actions=goto_table:1");
    const connect = holding([{ ...entry, cookie: round << 48n }]);
    assert.deepEqual(await findBank({ connect, runtime, remembers: true, signal }), { bank: besideStrangers, moves: true });
  }
});

test("a switch that cannot be asked yet is asked again; who gives up hears his reason", async () => {
  let asked = 0;
  const connect = async () => {
    if (asked++ === 0) throw new Error("not there yet");
    return holding([])();
  };
  assert.deepEqual(await findBank({ connect, runtime, remembers: true, signal }), { bank: 0, moves: false });
  const away = (): Promise<never> => Promise.reject(new Error("away"));
  await assert.rejects(findBank({ connect: away, runtime, remembers: true, signal: AbortSignal.abort(new Error("given up")) }), /given up/);
});
