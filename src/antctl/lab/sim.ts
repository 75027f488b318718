import { readFileSync, writeFileSync } from "node:fs";
import { InvalidLabOption } from "#lab/errors.ts";
import { loadBuild, thisBuild } from "#lab/sim/builds.ts";
import { type GenerateOptions, generateScenario, simCommand } from "#lab/sim/generate.ts";
import { heapIsGiven, heapOfMachine, mayNeedMore, runAgainWithHeap } from "#lab/sim/large-heap.ts";
import { mutantCalled } from "#lab/sim/mutants.ts";
import { type Outcome, runScenario } from "#lab/sim/run.ts";
import { parseScenario, type Scenario } from "#lab/sim/scenario.ts";
import { shrink } from "#lab/sim/shrink.ts";
import { fileProblem, formatDuration, seconds, systemClock, systemRandom } from "#lib/runtime/index.ts";

export interface SimFlags {
  readonly nodes: number;
  readonly pods?: number;
  readonly controllers: number;
  readonly seed?: number;
  /** In which everything is made. */
  readonly start?: number;
  readonly duration: number;
  readonly faults: number;
  readonly scenario?: string;
  readonly save?: string;
  readonly mutant?: string;
  readonly otherBuild?: string;
  readonly strict?: true;
  /** Negated by `--no-shrink`. */
  readonly shrink: boolean;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const podsPerNode = 4;
/** Runs that shrinking may take. */
const shrinkRuns = 60;
const toldProblems = 10;

/** `antctl lab sim`: runs a scenario, prints how it goes and what became of it. Exit code 1 when something is wrong, with how to repeat it. */
export async function simulate(flags: SimFlags): Promise<void> {
  if (flags.start !== undefined && flags.start >= flags.duration)
    throw new InvalidLabOption(
      "--start",
      formatDuration(flags.start),
      `use less than --duration, which is ${formatDuration(flags.duration)}`,
    );
  const scenario = flags.scenario === undefined ? generated(flags) : parseScenario(textIn(flags.scenario), flags.scenario);
  const pods = scenario.events.filter((event) => event.do === "create-pod").length;
  if (!heapIsGiven() && mayNeedMore({ nodes: scenario.nodes, pods })) {
    process.exitCode = await runAgainWithHeap(heapOfMachine());
    return;
  }
  if (flags.save !== undefined) writeFileSync(flags.save, textOf(scenario));
  const mutant = flags.mutant === undefined ? undefined : mutantCalled(flags.mutant);
  const other = flags.otherBuild === undefined ? undefined : await loadBuild(flags.otherBuild);
  const builds = other === undefined ? {} : { builds: [thisBuild, other] as const };
  const options = { ...(mutant === undefined ? {} : { mutant }), ...builds, ...(flags.strict ? { mixing: "objects" as const } : {}) };
  print(`seed ${scenario.seed}: ${scenario.nodes} nodes, ${scenario.events.length} events in ${formatDuration(scenario.duration)}`);
  const started = systemClock.monotonic();
  const outcome = await runScenario({ scenario, ...options, progress: print });
  report(outcome, systemClock.monotonic() - started);
  if (outcome.problems.length === 0) return;
  process.exitCode = 1;
  print(`repeat it: ${commandOf(flags, scenario)}`);
  if (!flags.shrink) return;
  const { firstWrong } = outcome;
  // What comes after the first wrong verdict has no part in it; flows that are wrong at the end need the end.
  const sooner = firstWrong === undefined ? {} : { endAt: firstWrong + seconds(5) };
  const smaller = await shrink({
    scenario: firstWrong === undefined ? scenario : { ...scenario, events: scenario.events.filter(({ at }) => at <= firstWrong) },
    runs: shrinkRuns,
    progress: print,
    fails: async (candidate) => (await runScenario({ scenario: candidate, ...options, ...sooner })).problems.length > 0,
  });
  const file = `scenario-${scenario.seed}.json`;
  writeFileSync(file, textOf(smaller));
  print(`${smaller.events.length} events are enough: antctl lab sim --scenario ${file}${modeOf(flags)}`);
  for (const event of smaller.events) print(`  ${JSON.stringify(event)}`);
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidLabOption("--scenario", file, `cannot be read: ${fileProblem(error)}`);
  }
}

const generated = (flags: SimFlags): Scenario => generateScenario(sizeOf(flags, flags.seed ?? systemRandom.below(2 ** 32)));

const sizeOf = ({ nodes, pods = nodes * podsPerNode, controllers, start, duration, faults }: SimFlags, seed: number): GenerateOptions => ({
  seed,
  nodes,
  pods,
  controllers,
  ...(start === undefined ? {} : { startTime: start }),
  duration,
  faultsPerMinute: faults,
});

function report({ problems, figures, fingerprint }: Outcome, wallMs: number): void {
  const { events, steps, packets, unjudged, flows, runningPods } = figures;
  const rate = Math.round(steps / (wallMs / 1_000));
  print(
    `${events} events, ${steps} steps in ${formatDuration(wallMs)} (${rate} steps a second), ${packets} packets, ${unjudged} verdicts left open`,
  );
  print(`${runningPods} pods run, ${flows} flows, fingerprint ${fingerprint}`);
  if (problems.length === 0) print("ok: every packet met a verdict of its time, and every flow equals a computation from scratch");
  for (const problem of problems.slice(0, toldProblems)) print(`wrong: ${problem}`);
  if (problems.length > toldProblems) print(`wrong: and ${problems.length - toldProblems} more`);
}

function commandOf(flags: SimFlags, { seed }: Scenario): string {
  const mode = modeOf(flags);
  if (flags.scenario !== undefined) return `antctl lab sim --scenario ${flags.scenario}${mode}`;
  return `${simCommand(sizeOf(flags, seed))}${mode}`;
}

const modeOf = ({ mutant, otherBuild, strict }: SimFlags): string =>
  `${mutant === undefined ? "" : ` --mutant ${mutant}`}${otherBuild === undefined ? "" : ` --other-build ${otherBuild}`}${strict ? " --strict" : ""}`;

/** One event a line. */
const textOf = ({ events, ...rest }: Scenario): string =>
  `${JSON.stringify(rest).slice(0, -1)},"events":[\n${events.map((event) => JSON.stringify(event)).join(",\n")}\n]}\n`;
