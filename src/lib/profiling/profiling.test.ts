import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { milliseconds, sleep, systemClock, virtualClock } from "#lib/runtime/index.ts";
import { ProfileRefused } from "./errors.ts";
import { memoryOf, profileMemory } from "./memory.ts";
import { encodePprof } from "./pprof.ts";
import { processorTimeOf, profileProcessorTime } from "./processor-time.ts";
import { profilePaths } from "./profile-paths.ts";

const never = new AbortController().signal;
const frame = (functionName: string) => ({
  functionName,
  scriptId: "1",
  url: `file:///${functionName}.ts`,
  lineNumber: 4,
  columnNumber: 0,
});

/** Reads what `profile.proto` says is there, as far as a reader of profiles needs it: stacks in words with their values. */
function readPprof(bytes: Uint8Array) {
  const fields = (of: Uint8Array): [number, number | Uint8Array][] => {
    const reader = new BinaryReader(of);
    const found: [number, number | Uint8Array][] = [];
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      found.push([number, wire === WireType.Varint ? Number(reader.int64()) : reader.bytes()]);
    }
    return found;
  };
  const bytesOf = (of: readonly [number, number | Uint8Array][], wanted: number): Uint8Array[] =>
    of.flatMap(([number, value]) => (number === wanted && typeof value !== "number" ? [value] : []));
  const numberIn = (of: readonly [number, number | Uint8Array][], wanted: number): number =>
    Number(of.find(([number]) => number === wanted)?.[1] ?? 0);
  const packed = (of: Uint8Array): number[] => {
    const reader = new BinaryReader(of);
    const found: number[] = [];
    while (reader.pos < reader.len) found.push(Number(reader.int64()));
    return found;
  };
  const profile = fields(gunzipSync(bytes));
  const texts = bytesOf(profile, 6).map((text) => Buffer.from(text).toString());
  const functions = new Map(bytesOf(profile, 5).map((of) => [numberIn(fields(of), 1), fields(of)]));
  const locations = new Map(
    bytesOf(profile, 4).map((of) => [
      numberIn(fields(of), 1),
      functions.get(numberIn(fields(bytesOf(fields(of), 4)[0] ?? new Uint8Array()), 1)) ?? [],
    ]),
  );
  return {
    firstText: texts[0],
    counts: bytesOf(profile, 1).map((of) => `${texts[numberIn(fields(of), 1)]}/${texts[numberIn(fields(of), 2)]}`),
    samples: bytesOf(profile, 2).map((of) => ({
      stack: packed(bytesOf(fields(of), 1)[0] ?? new Uint8Array()).map((id) => texts[numberIn(locations.get(id) ?? [], 2)] ?? ""),
      values: packed(bytesOf(fields(of), 2)[0] ?? new Uint8Array()),
    })),
    lines: [...functions.values()].map((of) => numberIn(of, 5)),
    milliseconds: numberIn(profile, 10) / 1e6,
  };
}

test("a call tree is read back from pprof's form: the innermost call first, values beside their units", () => {
  const outer = { frame: frame("outer"), caller: undefined, values: [1, 10] };
  const inner = { frame: frame("inner"), caller: outer, values: [2, 20] };
  const again = { frame: frame("inner"), caller: inner, values: [3, 30] };
  const counts = [
    { type: "samples", unit: "count" },
    { type: "cpu", unit: "nanoseconds" },
  ];
  const read = readPprof(encodePprof({ counts, calls: [outer, inner, again], period: 10, began: 1_800_000_000_000, took: 2_000 }));
  assert.equal(read.firstText, "");
  assert.deepEqual(read.counts, ["samples/count", "cpu/nanoseconds"]);
  assert.deepEqual(read.samples, [
    { stack: ["outer"], values: [1, 10] },
    { stack: ["inner", "outer"], values: [2, 20] },
    { stack: ["inner", "inner", "outer"], values: [3, 30] },
  ]);
  // one place for each function, lines from 1
  assert.deepEqual(read.lines, [5, 5]);
  assert.equal(read.milliseconds, 2_000);
});

test("processor time stands by the calls that used it, and rest is left out", () => {
  const { calls } = processorTimeOf({
    nodes: [
      { id: 1, callFrame: frame("(root)"), children: [2, 3] },
      { id: 2, callFrame: frame("(idle)") },
      { id: 3, callFrame: frame("outer"), children: [4] },
      { id: 4, callFrame: frame("inner") },
    ],
    samples: [4, 2, 4, 3],
    timeDeltas: [900, 100, 5_000, 200],
  });
  assert.deepEqual(
    calls.map(({ frame: { functionName }, caller, values }) => [functionName, caller?.frame.functionName, ...values]),
    [
      // the last sample stands for a period, as nothing says when it ended
      ["outer", undefined, 1, 10_000_000],
      ["inner", "outer", 2, 300_000],
    ],
  );
});

test("memory stands by the calls that made it", () => {
  const inner = { callFrame: frame("inner"), selfSize: 120, children: [] };
  const outer = { callFrame: frame("outer"), selfSize: 0, children: [inner] };
  const { calls, counts } = memoryOf({ head: { callFrame: frame("(root)"), selfSize: 0, children: [outer] } }, "kept");
  assert.deepEqual(counts, [{ type: "inuse_space", unit: "bytes" }]);
  assert.deepEqual(
    calls.map(({ frame: { functionName }, caller, values }) => [functionName, caller?.frame.functionName, ...values]),
    [["inner", "outer", 120]],
  );
});

const briefly = { clock: systemClock, duration: milliseconds(200), signal: never };

test("a real profile names the function that computes", async () => {
  let done = false;
  function computesForTheTest(): void {
    let sum = 0;
    for (let number = 0; number < 100_000; number++) sum += Math.sqrt(sum + number);
    assert.ok(sum > 0);
  }
  const work = (): void => {
    computesForTheTest();
    if (!done) setImmediate(work);
  };
  work();
  try {
    // A busy machine may give the thread that takes samples no turn within so short a profile.
    for (let named = false; !named; ) {
      const { samples } = readPprof(encodePprof(await profileProcessorTime(briefly)));
      named = samples.some(({ stack }) => stack[0] === "computesForTheTest");
    }
  } finally {
    done = true;
  }
});

test("memory that stays is told apart from memory that was made", async () => {
  const kept: string[][] = [];
  async function makes(which: "kept" | "allocated"): Promise<string[]> {
    const profile = profileMemory({ ...briefly, which });
    await sleep(systemClock, milliseconds(50));
    keeps();
    throwsAway();
    return readPprof(encodePprof(await profile)).samples.flatMap(({ stack }) => stack);
  }
  function keeps(): void {
    for (let number = 0; number < 100_000; number++) kept.push([String(number)]);
  }
  function throwsAway(): void {
    for (let number = 0; number < 100_000; number++) assert.ok([String(number)].length);
  }
  const [heap, allocs] = [await makes("kept"), await makes("allocated")];
  assert.ok(heap.includes("keeps") && !heap.includes("throwsAway"), heap.join());
  assert.ok(allocs.includes("keeps") && allocs.includes("throwsAway"), allocs.join());
});

test("one profile at a time, of a length that ends; who leaves makes room", async () => {
  const paths = profilePaths({ clock: virtualClock() });
  const ask = (query: Record<string, string>, signal = never) => paths["/debug/pprof/profile"]?.(new URLSearchParams(query), signal);
  for (const wrong of ["0", "301", "1.5", "-1", "x", ""])
    await assert.rejects(async () => ask({ seconds: wrong }), { code: "PROFILE_REFUSED", status: 400, message: /from 1 to 300/ });
  await assert.rejects(async () => ask({ debug: "1" }), { status: 400 });
  const leaves = new AbortController();
  const first = ask({ seconds: "300" }, leaves.signal);
  await assert.rejects(
    async () => ask({}),
    (error) => error instanceof ProfileRefused && error.status === 409,
  );
  leaves.abort(new Error("gone"));
  await assert.rejects(async () => first, { message: "gone" });
  const second = ask({}, AbortSignal.abort(new Error("gone too")));
  await assert.rejects(async () => second, { message: "gone too" });
});
