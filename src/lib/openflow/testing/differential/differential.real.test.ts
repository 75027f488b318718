import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, test } from "node:test";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { seededRandom, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import type { BundledChange } from "../../connection.ts";
import { type Fault, faults } from "../../switch/faults.ts";
import { cover, describeCoverage, newCoverage } from "./coverage.ts";
import { createGenerator, type GeneratorOptions } from "./generator.ts";
import { handmade } from "./handmade.ts";
import { gatewayPort, pipelineChanges, pipelineDestinations } from "./pipeline-scenario.ts";
import { type RealSwitch, startRealSwitch } from "./real-switch.ts";
import { describeDifference, record, replay, type Transcript, transcriptText, withChoices } from "./transcript.ts";
import { hosts } from "./world.ts";

// The same frames through ovs-vswitchd and through the switch in memory. DIFFERENTIAL_SEED chooses other frames, DIFFERENTIAL_FRAMES how many
// per flow set; a transcript that differs is written to a file and can be kept as a test.

const seed = Number(process.env.DIFFERENTIAL_SEED ?? 1);
const frames = Number(process.env.DIFFERENTIAL_FRAMES ?? 1_250);
const runtime = { ...systemRuntime(), logger: silentLogger };
const ports = [1, 2, 3, 4, 5, 6, 7];
const everyone = hosts(ports.length);
const destinationPorts = [80, 80, 443, 8_080, 0];

type Traffic = Omit<GeneratorOptions, "random">;
const plain: Traffic = {
  hosts: hosts(6),
  destinations: ["10.96.0.1", "fd96::1", "203.0.113.5"].map(parseAddress),
  destinationPorts,
  gateway: parseMac("0e:00:00:00:00:01"),
};
const gateway = everyone[gatewayPort - 1]?.mac;
const ours: Traffic = {
  hosts: everyone,
  destinations: pipelineDestinations,
  destinationPorts,
  ...(gateway === undefined ? {} : { gateway }),
};

/** What is tried: a name, flows, and who talks to whom. */
const scenarios: readonly (readonly [name: string, changes: readonly BundledChange[], traffic: Traffic])[] = [
  ...Object.entries(handmade).map(([name, changes]) => [name, changes, plain] as const),
  ...[0, 1, 2].map((index) => [`our pipeline ${index}`, pipelineChanges(seededRandom(seed + index), everyone), ours] as const),
];

let real: RealSwitch;
const transcripts: Transcript[] = [];
const coverage = newCoverage();
// Each its own: fragments that wait in one test would come out in the next.
beforeEach(async () => {
  real = await startRealSwitch(runtime, { ports });
});
afterEach(() => real?.stop());
after(() => void process.stdout.write(`${describeCoverage(coverage)}\n`));

for (const [index, [name, changes, traffic]] of scenarios.entries())
  test(`${name}: ports, headers and connections agree`, async () => {
    const generator = createGenerator({ ...traffic, random: seededRandom(seed * 1_000 + index) });
    const recorded = await record(real, { changes, ports: ports.map((number) => ({ number })), generator, frames });
    const transcript = withChoices(recorded);
    for (const cache of [true, false]) {
      const { differences, memory } = replay(transcript, { cache });
      if (cache) cover(coverage, memory);
      const [first] = differences;
      if (first === undefined) continue;
      const file = join(tmpdir(), `differential-${seed}-${index}.json`);
      writeFileSync(file, transcriptText({ ...transcript, steps: transcript.steps.slice(0, first.step + 1) }));
      assert.fail(`${differences.length} differences, cache ${cache}; transcript in ${file}\n${describeDifference(transcript, first)}`);
    }
    transcripts.push(transcript);
  });

/** Most faults show soon: the whole transcripts are for those that do not. */
const soon = 400;

test("every built-in fault is noticed", () => {
  const isNoticed = (fault: Fault, steps?: number): boolean =>
    transcripts.some((transcript) => {
      const part = { ...transcript, steps: transcript.steps.slice(0, steps) };
      return replay(part, { fault, stopAtFirst: true }).differences.length > 0;
    });
  const unnoticed = faults.filter((fault) => !isNoticed(fault, soon) && !isNoticed(fault));
  assert.deepEqual(unnoticed, []);
});
