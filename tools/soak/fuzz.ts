import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PassOptions } from "./pass.ts";
import { testsPass } from "./tests-pass.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Fast-check's own number is 100. */
const runsPerProperty = 2_000;
/** A pass takes about a minute on two cores; one that takes this long hangs. */
const passLimitMs = 20 * 60_000;

/** The files that have property tests, or another long form; those that start daemons stay out. */
function propertyTests(): string[] {
  const isOne = (text: string): boolean => text.includes('from "fast-check"') || text.includes("process.env.NO_WINDOW_CHANGES");
  return globSync("src/**/*.test.ts", { cwd: root })
    .filter((file) => !file.endsWith(".real.test.ts") && isOne(readFileSync(`${root}/${file}`, "utf8")))
    .sort();
}

/** Runs every property test once, with new random seeds; fast-check prints the seed of what fails. */
export async function fuzzPass({ print, signal }: PassOptions): Promise<readonly string[]> {
  const files = propertyTests();
  print(`property tests of ${files.length} files, ${runsPerProperty} runs where the test sets no number itself`);
  const args = ["--import", `${root}/tools/fuzz-runs.ts`, "--test", "--test-reporter=dot", `--test-timeout=${passLimitMs}`, ...files];
  const environment = {
    NO_WINDOW_CHANGES: process.env.NO_WINDOW_CHANGES ?? "1000",
    NO_WINDOW_SEED: process.env.NO_WINDOW_SEED ?? String(Date.now() % 100_000),
    FUZZ_RUNS: String(runsPerProperty),
  };
  const passed = await testsPass({ args, environment, signal });
  return passed || signal.aborted ? [] : ["property tests failed: see above"];
}
