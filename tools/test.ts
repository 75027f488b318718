// `npm test`: every suite, each with a budget in minutes that is printed beside what it took. Ends with what all took together, and one line of totals.
import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Suite {
  readonly name: string;
  readonly budgetMinutes: number;
  readonly command: readonly string[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const node = process.execPath;
const tests = (include: string, exclude?: RegExp): string[] =>
  globSync(include, { cwd: root })
    .filter((file) => !exclude?.test(file))
    .sort();
/** Tests that start daemons (`*.real.test.ts`: Open vSwitch, containerd, kubectl) run apart, one file after another. */
const real = /\.real\.test\.ts$/;
/** A test that takes longer hangs. Node counts a `describe` as one test, and a lab's holds most of its suite. */
const limitOf = { test: 5, lab: 30 } as const;
const runner = (files: readonly string[], { concurrency, limit }: { concurrency: number; limit: keyof typeof limitOf }): string[] => [
  node,
  "--import",
  "./tools/fuzz-runs.ts",
  "--test",
  "--test-reporter=dot",
  `--test-timeout=${limitOf[limit] * 60_000}`,
  `--test-concurrency=${concurrency}`,
  ...files,
];

/**
 * The same cases in every run, so that what fails is what somebody changed; `npm run soak` draws new ones. Each test file is a process of its own, and most
 * of them load the same modules: compiled once, they save a third of what a small file costs.
 */
const environment = { FUZZ_SEED: "1", DRIFT_SEED: "1", NODE_COMPILE_CACHE: `${root}.cache/compile`, ...process.env };

/** What all suites may take together on two cores. */
const totalMinutes = 15;
/** How long the output of a suite is read that has ended. */
const outputLimitMs = 2_000;

/**
 * One turn after the other. Suites of a turn run beside each other, as each waits half of its time; a lab's own load and a busy switch leave no room for a
 * third. Unit tests are three at a time on two cores, as those that start daemons wait for them.
 */
const turns: readonly (readonly Suite[])[] = [
  [{ name: "format and lint", budgetMinutes: 0.3, command: [node, "tools/biome.ts", "ci", "--diagnostic-level=error"] }],
  [{ name: "types", budgetMinutes: 0.3, command: [node, "node_modules/typescript/bin/tsc"] }],
  [
    {
      name: "unit",
      budgetMinutes: 5.3,
      command: runner([...tests("src/**/*.test.ts", real), ...tests("tools/**/*.test.ts", real)], { concurrency: 3, limit: "test" }),
    },
  ],
  [{ name: "bundles", budgetMinutes: 0.2, command: [node, "tools/build.ts"] }],
  [
    { name: "real", budgetMinutes: 5.4, command: runner(tests("src/**/*.real.test.ts"), { concurrency: 1, limit: "test" }) },
    { name: "scripts on the lab", budgetMinutes: 5.4, command: runner(tests("e2e/*.test.ts"), { concurrency: 1, limit: "lab" }) },
  ],
  [
    {
      name: "policy cases on the lab",
      budgetMinutes: 3.5,
      command: runner(tests("e2e/policy/*.test.ts"), { concurrency: 1, limit: "lab" }),
    },
  ],
];

const wanted = process.argv.slice(2);
const names = turns.flat().map(({ name }) => name);
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(
    `npm test: there is no suite ${JSON.stringify(unknown)}: one of ${names.map((name) => JSON.stringify(name)).join(", ")}\n`,
  );
  process.exit(2);
}
let passed = 0;
let failed = 0;
const lines: string[] = [];
const minutesSince = (started: number): number => (performance.now() - started) / 60_000;
const start = performance.now();
for (const turn of turns) {
  // a runner without files would take every test there is
  const suites = turn.filter(
    ({ name, command }) =>
      (wanted.length === 0 || wanted.includes(name)) && !(command.includes("--test") && !command.some((word) => word.endsWith(".test.ts"))),
  );
  for (const { name, budgetMinutes } of suites)
    say(`\n== ${name} (budget ${budgetMinutes} min)${suites.length > 1 ? ", told when it ends" : ""}\n`);
  await Promise.all(suites.map((suite) => play(suite, { alone: suites.length === 1 })));
}
const took = minutesSince(start);
say(`\n${lines.join("\n")}\n`);
if (wanted.length === 0)
  say(`     ${"together".padEnd(24)}${took.toFixed(2)} of ${totalMinutes} min${took > totalMinutes ? "  over" : ""}\n`);
say(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

async function play({ name, budgetMinutes, command }: Suite, { alone }: { readonly alone: boolean }): Promise<void> {
  const started = performance.now();
  const { status, output } = await run(command, { told: alone ? "as it comes" : "at the end" });
  const minutes = minutesSince(started);
  if (status === 0) passed++;
  else failed++;
  const line = `${status === 0 ? "ok  " : "FAIL"} ${name.padEnd(24)}${minutes.toFixed(2)} of ${budgetMinutes} min${minutes > budgetMinutes ? "  over its budget" : ""}`;
  lines.push(line);
  if (!alone) say(`\n== ${line}\n${output}`);
}

function run(
  [command = "", ...args]: readonly string[],
  { told }: { readonly told: "as it comes" | "at the end" },
): Promise<{ readonly status: number; readonly output: string }> {
  const parts: Buffer[] = [];
  const options = { cwd: root, env: environment };
  const child =
    told === "as it comes"
      ? spawn(command, args, { ...options, stdio: "inherit" })
      : spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
  for (const stream of outputs) stream.on("data", (part: Buffer) => parts.push(part));
  return new Promise((resolve) => {
    const end = (status: number): void => {
      for (const stream of outputs) stream.destroy();
      resolve({ status, output: Buffer.concat(parts).toString() });
    };
    child.once("error", () => end(1));
    // Its output ends after it, and never while a process that outlived the suite holds it open.
    child.once("exit", (code) => void setTimeout(() => end(code ?? 1), outputLimitMs));
    child.once("close", (code) => end(code ?? 1));
  });
}

function say(text: string): void {
  process.stdout.write(text);
}
