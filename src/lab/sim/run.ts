import { createHash } from "node:crypto";
import { type Duration, type Logger, seconds } from "#lib/runtime/index.ts";
import type { Build } from "./builds.ts";
import { nextTurn, startCluster } from "./cluster.ts";
import { compareWithScratch } from "./from-scratch.ts";
import type { Mutant } from "./mutants.ts";
import type { Violation } from "./observer.ts";
import { isFault, type Scenario } from "./scenario.ts";
import { recovery } from "./trouble.ts";
import { notWrittenDown } from "./written-down.ts";
import type { Mixing } from "./verdicts.ts";

/** What became of a run. Equal for equal scenarios. */
export interface Outcome {
  /** What is wrong, in words; nothing when all holds. */
  readonly problems: readonly string[];
  /** When the first packet met a wrong verdict, the first node went back to what it had enforced before, or the first sum went backwards. */
  readonly firstWrong: Duration | undefined;
  readonly figures: {
    /** Events of the scenario. */
    readonly events: number;
    /** Everything that happened at a time of its own: deliveries, timers, answers. */
    readonly steps: number;
    readonly packets: number;
    /** Of these, packets to a Service. */
    readonly served: number;
    /** Packets between pods that too much happened to at the same time. */
    readonly unjudged: number;
    /** How often a controller told a sum that is not zero. */
    readonly sums: number;
    readonly flows: number;
    readonly runningPods: number;
  };
  /** Of the flows of all nodes at the end. */
  readonly fingerprint: string;
}

export interface RunOptions {
  readonly scenario: Scenario;
  readonly mutant?: Mutant;
  /** Which versions of agent and controller there are, mixed. Default: this one. At the end flows are compared where the agent is of this one. */
  readonly builds?: readonly [Build, ...Build[]];
  readonly logger?: Logger;
  /** Hears how far it is, about ten times a run. */
  readonly progress?: (text: string) => void;
  /** Default `policies`. */
  readonly mixing?: Mixing;
  /** Judge packets alone, and end at the first wrong verdict or at this time: for looking whether less of a scenario fails too. */
  readonly endAt?: Duration;
  /** End at the first thing that is wrong, for whoever wants to know whether anything is. What is not wrong until the end is judged whole. */
  readonly untilWrong?: true;
}

/** Packets for each second of the simulation, beside those around changes of flows. */
const probesPerSecond = 5;
const told = 10;
/** From one question for statistics to the next. */
const sumsEach = seconds(2);

/** Runs a scenario to its end and judges: each packet meanwhile, and the flows of every node when all has settled. */
export async function runScenario({
  scenario,
  mutant,
  builds,
  logger,
  progress = () => {},
  mixing,
  endAt,
  untilWrong,
}: RunOptions): Promise<Outcome> {
  const { seed, nodes, controllers = 1, events } = scenario;
  const cluster = await startCluster({
    seed,
    nodes,
    controllers,
    duration: scenario.duration,
    ...(logger === undefined ? {} : { logger }),
    ...(mutant === undefined ? {} : { mutant }),
    ...(builds === undefined ? {} : { builds }),
    ...(mixing === undefined ? {} : { mixing }),
  });
  const { clock, observer, snapshots, sums, history } = cluster;
  let steps = 0;
  const end = endAt ?? quietFrom(scenario) + recovery + seconds(30);
  let next = 0;
  let tellAt = 0;
  const wrong = (): number => observer.violations.length + snapshots.violations.length + sums.violations.length;
  const isWrong = (): boolean => wrong() > 0;
  for (let now: Duration = 0; now <= end; now += seconds(1)) {
    for (let event = events[next]; event !== undefined && event.at < now; event = events[++next]) {
      steps += await cluster.runUntil(Math.max(event.at, clock.monotonic()));
      if (isFault(event)) cluster.break(event);
      else await cluster.apply(event);
    }
    steps += await cluster.runUntil(now);
    observer.probe(probesPerSecond);
    if (now % sumsEach === 0) sums.ask();
    if ((endAt !== undefined || untilWrong) && isWrong()) break;
    if (now >= tellAt) {
      tellAt += end / told;
      progress(
        `${(now / 1_000).toFixed(0)} s: ${next} of ${events.length} events, ${history.pods.size} pods, ${steps} steps, ${observer.figures.packets} packets${isWrong() ? `, ${wrong()} things wrong` : ""}`,
      );
    }
  }
  const seen = (what: string, { at, text }: Violation): string => `${what} at ${(at / 1_000).toFixed(3)} s: ${text}`;
  const problems = [
    ...observer.violations.map((violation) => seen("wrong verdict", violation)),
    ...snapshots.violations.slice(0, told).map((violation) => seen("older policies", violation)),
    ...sums.violations.slice(0, told).map((violation) => seen("a sum went backwards", violation)),
  ];
  const running = [...history.pods.values()].filter(({ status }) => status?.phase === "Running").length;
  if (endAt === undefined && !(untilWrong && isWrong())) {
    if (running < history.pods.size) problems.push(`${history.pods.size - running} of ${history.pods.size} pods do not run`);
    const unwritten = notWrittenDown(history);
    problems.push(...unwritten.slice(0, told));
    const scratch = compareWithScratch({ nodes: cluster.nodes, history });
    for (const [number, node] of cluster.nodes.entries()) {
      // Only then V8 lets go of what was looked up by weak references: with 5 000 nodes these were 5 GB.
      await nextTurn();
      if (number > 0 && number % Math.ceil(nodes / told) === 0) progress(`the flows of ${number} of ${nodes} nodes are compared`);
      const found = node.isOther ? [] : await scratch.differences(node);
      problems.push(...found.slice(0, told));
      if (found.length > told) problems.push(`${node.name}: ${found.length - told} more flows are other than computed from scratch`);
      for (const crash of node.crashes) problems.push(`${node.name}: the agent ended: ${crash}`);
    }
  }
  const hash = createHash("sha256");
  let flows = 0;
  for (const { name, bridge } of cluster.nodes) {
    const entries = bridge.entries();
    flows += entries.length;
    let text = "";
    for (const { flow, packets } of entries) text += `${name} ${flow.table} ${flow.priority} ${flow.cookie} ${packets}\n`;
    hash.update(text);
  }
  cluster.end();
  return {
    problems,
    firstWrong: [observer, snapshots, sums]
      .flatMap(({ violations }) => violations.slice(0, 1))
      .map(({ at }) => at)
      .sort((a, b) => a - b)[0],
    figures: { events: events.length, steps, ...observer.figures, sums: sums.figures.sums, flows, runningPods: running },
    fingerprint: hash.update(String(steps)).digest("hex").slice(0, 16),
  };
}

/** Nothing happens any more: what goes wrong late may last for longer than all else. */
function quietFrom({ duration, events }: Scenario): Duration {
  return events.reduce((latest, event) => Math.max(latest, isFault(event) && "for" in event ? event.at + event.for : 0), duration);
}
