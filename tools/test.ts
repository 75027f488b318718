// `npm test`: every suite, each with a budget in minutes that is printed beside what it took. Ends with what all took together, one line of totals, and a line for
// each test that failed.
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endAll, removeOrphans, runVariable, whenEnded } from "./left-behind.ts";
import { leftOut, leftOutCode } from "./kernel/parts.ts";

interface Suite {
  readonly name: string;
  readonly budgetMinutes: number;
  /** They run side by side. */
  readonly commands: readonly Command[];
  /** Name of a suite that mostly waits: this one runs at the same time, after it in the turn of processors. What it says comes when it has ended. */
  readonly beside?: string;
}
type Command = readonly string[];

const root = fileURLToPath(new URL("..", import.meta.url));
const node = process.execPath;
const tests = (include: string, exclude?: RegExp): string[] =>
  globSync(include, { cwd: root })
    .filter((file) => !exclude?.test(file))
    .sort();
/** Tests that start daemons (`*.real.test.ts`: Open vSwitch, containerd, kubectl) run apart, one file after another. */
const real = /\.real\.test\.ts$/;
/** Of those, the ones that count lost packets or send at a rate: nothing else may want the processors then. The others wait half of their time, three at a time. */
const alone = /(audit|churn|full-rate|reject|restart)\.real\.test\.ts$/;
/** A test that takes longer hangs. Node counts a `describe` as one test, and a lab's holds most of its suite. */
const limitOf = { test: 5, lab: 30 } as const;
/** Tests make much that is forgotten at once: with room for it, a sixth of the time is saved. */
const youngMegabytes = 64;
/** Each run of node:test writes down there what failed in it. */
const runFolder = mkdtempSync(join(tmpdir(), "antrea-test-run-"));
let failureFiles = 0;
const runner = (
  files: readonly string[],
  { processes, limit }: { processes: number | "one for all"; limit: keyof typeof limitOf },
): Command => [
  node,
  `--max-semi-space-size=${youngMegabytes}`,
  "--import",
  "./tools/fuzz-runs.ts",
  "--import",
  "./tools/tell-pid.ts",
  "--test",
  "--test-reporter=dot",
  "--test-reporter-destination=stdout",
  "--test-reporter=./tools/failures.ts",
  `--test-reporter-destination=${join(runFolder, String(failureFiles++))}`,
  `--test-timeout=${limitOf[limit] * 60_000}`,
  ...(processes === "one for all" ? ["--test-isolation=none"] : [`--test-concurrency=${processes}`]),
  ...files,
];

/** Files that start no process and set nothing up for the whole file can share one: most need less time than a process takes to start. */
const needsOwnProcess = /^(before|after|beforeEach|afterEach)\(|node:child_process|testing\/(private|kernel|real)/m;
function unitCommands(files: readonly string[]): readonly Command[] {
  const simulated = files.filter((file) => file.startsWith("src/lab/sim/"));
  const others = files.filter((file) => !simulated.includes(file));
  const own = others.filter((file) => needsOwnProcess.test(readFileSync(`${root}${file}`, "utf8")));
  const sharing = others.filter((file) => !own.includes(file));
  const core = sharing.filter((file) => file.startsWith("src/core/"));
  // Each computes for a fourth to a half of the time, but for those of their own, which wait for programs now and then.
  return [
    runner(simulated, { processes: 2, limit: "test" }),
    runner(core, { processes: "one for all", limit: "test" }),
    runner(
      sharing.filter((file) => !core.includes(file)),
      { processes: "one for all", limit: "test" },
    ),
    runner(own, { processes: 2, limit: "test" }),
  ];
}

/**
 * The same cases in every run, so that what fails is what somebody changed; `npm run soak` draws new ones. Most processes load the same modules: compiled once,
 * they save a third of what a small file costs. Agents that tests start are the bundles.
 */
const environment = {
  FUZZ_SEED: "1",
  DRIFT_SEED: "1",
  ANTREA_TEST_BUILT: "1",
  NODE_COMPILE_CACHE: `${root}.cache/compile`,
  ...process.env,
  [runVariable]: runFolder,
};

const bundles = "bundles";
const labScripts = "scripts on the lab";
/** Where others want the processors the emulated machine waits. */
const lessUrgent = ["nice", "-n", "5"];
/** What all suites may take together on two cores. */
const totalMinutes = 15;
/** Of the minutes for all; two cores have no room for two of them at a time (tried: the same time together, and packets that came too late). */
const suites: readonly Suite[] = [
  { name: "format and lint", budgetMinutes: 0.1, commands: [[node, "tools/biome.ts", "ci", "--diagnostic-level=error"]] },
  { name: "types", budgetMinutes: 0.1, commands: [[node, "node_modules/typescript/bin/tsc"]] },
  { name: bundles, budgetMinutes: 0.1, commands: [[node, "tools/build.ts"]] },
  { name: "unit", budgetMinutes: 4.5, commands: unitCommands([...tests("src/**/*.test.ts", real), ...tests("tools/**/*.test.ts", real)]) },
  { name: "real", budgetMinutes: 1.25, commands: [runner(tests("src/**/*.real.test.ts", alone), { processes: 3, limit: "test" })] },
  {
    name: "real, one by one",
    budgetMinutes: 1.05,
    commands: [
      runner(
        tests("src/**/*.real.test.ts").filter((file) => alone.test(file)),
        { processes: 1, limit: "test" },
      ),
    ],
  },
  { name: labScripts, budgetMinutes: 3.4, commands: [runner(tests("e2e/*.test.ts"), { processes: 3, limit: "lab" })] },
  {
    name: "policy cases on the lab",
    budgetMinutes: 3.5,
    commands: [runner(tests("e2e/policy/*.test.ts"), { processes: 1, limit: "lab" })],
  },
  {
    name: "smoke on a kernel",
    budgetMinutes: 2.5,
    commands: [[...lessUrgent, node, "tools/kernel/main.ts", "--smoke"]],
    beside: labScripts,
  },
];

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !suites.some((suite) => suite.name === name));
if (unknown !== undefined) {
  process.stderr.write(
    `npm test: there is no suite ${JSON.stringify(unknown)}: one of ${suites.map(({ name }) => JSON.stringify(name)).join(", ")}\n`,
  );
  process.exit(2);
}
const counts = { passed: 0, failed: 0, leftOut: 0 };
const lines: string[] = [];
const failures: string[] = [];
/** Milliseconds that this machine's processors worked so far, and that there were. */
function processorTime(): { readonly busy: number; readonly all: number } {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const busy = times.reduce((sum, each) => sum + each.busy, 0);
  return { busy, all: busy + times.reduce((sum, { idle }) => sum + idle, 0) };
}
const interrupt: { by: NodeJS.Signals | undefined } = { by: undefined };
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => {
    if (interrupt.by !== undefined) return;
    interrupt.by = signal;
    process.stderr.write(`\nnpm test: ${signal}: ending what was started\n`);
    void endAll(runFolder);
  });
/** What has ended may take a moment to be gone. */
const goneWithin = 5_000;

const minutesSince = (started: number): number => (performance.now() - started) / 60_000;
const start = performance.now();
// what the others start are the bundles, and to make none that is there already takes no time
const chosen = suites.filter(({ name }) => wanted.length === 0 || wanted.includes(name) || name === bundles);
for (const suite of chosen) {
  if (interrupt.by !== undefined) break;
  if (chosen.some(({ name }) => name === suite.beside)) continue;
  await Promise.all([runSuite(suite), ...chosen.filter(({ beside }) => beside === suite.name).map(runSuite)]);
}
const took = minutesSince(start);
const left = await whenEnded(runFolder, goneWithin);
if (left.length > 0) await endAll(runFolder);
const orphans = await removeOrphans(runFolder);
process.stdout.write(`\n${lines.join("\n")}\n`);
if (wanted.length === 0)
  process.stdout.write(`     ${"together".padEnd(24)}${took.toFixed(2)} of ${totalMinutes} min${took > totalMinutes ? "  over" : ""}\n`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${counts.leftOut > 0 ? `, ${counts.leftOut} left out` : ""}\n`);
if (failures.length > 0) process.stdout.write(`what failed:\n${failures.map((line) => `  ${line}\n`).join("")}`);
if (interrupt.by === undefined) {
  for (const { pid, command } of left) process.stdout.write(`left running, and ended now: ${pid} ${command}\n`);
  for (const orphan of orphans) process.stdout.write(`left there, and removed now: ${orphan}\n`);
}
rmSync(runFolder, { recursive: true });
process.exitCode = interrupt.by === undefined && counts.failed === 0 ? 0 : 1;

async function runSuite({ name, budgetMinutes, commands, beside }: Suite): Promise<void> {
  const started = performance.now();
  const before = processorTime();
  const heading = `\n== ${name} (budget ${budgetMinutes} min)\n`;
  if (beside === undefined) process.stdout.write(heading);
  const began = commands.filter(hasWork);
  const ends = await Promise.all(began.map((command) => run(command, { isHeard: beside !== undefined })));
  if (beside !== undefined) process.stdout.write(heading + ends.map(({ said }) => said).join(""));
  const minutes = minutesSince(started);
  const after = processorTime();
  const share = ((after.busy - before.busy) / (after.all - before.all)) * 100;
  const reason = ends.flatMap(({ code, said }) => (code === leftOutCode ? [said.split(leftOut).at(-1)?.trim() ?? ""] : []))[0];
  const failed = ends.filter(({ code }) => code !== 0 && code !== leftOutCode);
  failures.push(...failed.flatMap((end) => failuresOf(end).map((line) => `${name}: ${line}`)));
  const outcome = failed.length > 0 ? "failed" : reason === undefined ? "passed" : "leftOut";
  const word = { failed: "FAIL", passed: "ok", leftOut: "skip" }[outcome];
  counts[outcome]++;
  lines.push(
    [
      `${word.padEnd(5)}${name.padEnd(24)}${minutes.toFixed(2)} of ${budgetMinutes} min, processors ${share.toFixed(0)} %`,
      ...(minutes > budgetMinutes ? ["over its budget"] : []),
      ...(reason === undefined ? [] : [`left out: ${reason}`]),
    ].join("  "),
  );
}

/** What a command that failed left behind about it, or said last, or else its own words. */
function failuresOf({ command, said }: CommandEnd): string[] {
  const file = command.findLast((word) => word.startsWith("--test-reporter-destination="))?.split("=")[1];
  const told = file === undefined || !existsSync(file) ? [] : readFileSync(file, "utf8").split("\n").slice(0, -1);
  if (told.length > 0) return told;
  const heard = said.trim().split("\n");
  const marked = heard.filter((line) => line.startsWith("✖ "));
  return said !== ""
    ? [...new Set(marked.length > 0 ? marked : heard.slice(-1))]
    : [
        command
          .filter((word) => !word.startsWith("-"))
          .slice(1, 3)
          .join(" "),
      ];
}

/** A runner without files would take every test there is. */
function hasWork(command: Command): boolean {
  return !command.includes("--test") || command.some((word) => word.endsWith(".test.ts"));
}

interface CommandEnd {
  readonly command: Command;
  readonly code: number;
  /** All that it said, where that was heard and did not go to the terminal at once. */
  readonly said: string;
}

function run(command: Command, { isHeard }: { readonly isHeard: boolean }): Promise<CommandEnd> {
  return new Promise((resolve) => {
    let said = "";
    const [program = "", ...args] = command;
    const child = spawn(program, args, { cwd: root, stdio: isHeard ? ["ignore", "pipe", "pipe"] : "inherit", env: environment });
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (words: string) => (said += words));
    child.once("error", () => resolve({ command, code: 1, said }));
    child.once("close", (code) => resolve({ command, code: code ?? 1, said }));
  });
}
