// `npm run soak -- [--minutes N] [--seed N]`: a lab whose processes are killed at random while policies change, then the property tests.
import { mkdtemp, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { labUp } from "../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { killMarked } from "../src/lab/supervisor/leftovers.ts";
import { systemClock } from "../src/lib/runtime/clock.ts";
import { errorMessage } from "../src/lib/runtime/errors.ts";
import { systemRandom } from "../src/lib/runtime/random.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { clustersPass } from "./soak/clusters.ts";
import { dnsPass } from "./soak/dns.ts";
import { fuzzPass } from "./soak/fuzz.ts";
import { leftovers, soakLab } from "./soak/killed-lab.ts";
import { longFormsPass } from "./soak/long-forms.ts";
import type { Pass, PassOptions } from "./soak/pass.ts";
import { simPass } from "./soak/sim.ts";
import { simScriptsPass } from "./soak/sim-scripts.ts";
import { soakMark } from "./soak/tests-pass.ts";

const usage = `usage: npm run soak -- [--minutes N] [--seed N] [--name NAME] [--without-fuzz]

  --minutes N      how long processes are killed and stopped; default 10
  --seed N         who is killed when: a whole number; default random, printed
  --name NAME      of the lab; default soak
  --without-fuzz   leave malformed DNS and the property tests out

SIGINT, SIGTERM and SIGHUP end it: it tells what was seen until then, and leaves nothing behind.

Exit codes: 0 all verdicts as expected, nothing left over, all properties hold; 1 otherwise; 2 a wrong flag.
`;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const fuzzPasses: readonly Pass[] = [simPass, simScriptsPass, clustersPass, dnsPass, fuzzPass];

interface Flags {
  readonly minutes: number;
  readonly seed: number;
  readonly name: string;
  readonly fuzz: boolean;
}

function flagsOf(args: readonly string[]): Flags | string {
  const text = { type: "string" } as const;
  const on = { type: "boolean" } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { minutes: text, seed: text, name: text, "without-fuzz": on, help: on } });
    const minutes = Number(values.minutes ?? 10);
    const seed = Number(values.seed ?? systemRandom.below(2 ** 32));
    if (values.help) return "";
    if (!(minutes > 0)) return `--minutes ${values.minutes}: must be a number above 0`;
    if (!Number.isSafeInteger(seed) || seed < 0) return `--seed ${values.seed}: must be a whole number`;
    return { minutes, seed, name: values.name ?? "soak", fuzz: values["without-fuzz"] !== true };
  } catch (error) {
    return errorMessage(error);
  }
}

/** One after the other, until `signal`; nothing that they made is left then. */
async function playPasses(passes: readonly Pass[], options: PassOptions): Promise<readonly string[]> {
  const wrong: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), "soak-"));
  process.env.TMPDIR = folder;
  process.env[soakMark] = String(process.pid);
  for (const pass of passes) if (!options.signal.aborted) wrong.push(...(await pass(options)));
  if (!options.signal.aborted)
    await rmdir(folder).catch(() => {}); // what a test that failed wrote down for people stays
  else {
    await killMarked(`${soakMark}=${process.pid}`, systemClock);
    await rm(folder, { recursive: true, force: true });
  }
  return wrong;
}

async function main(): Promise<number> {
  const flags = flagsOf(process.argv.slice(2));
  if (typeof flags === "string") {
    process.stderr.write(flags === "" ? usage : `npm run soak: ${flags}\n${usage}`);
    return flags === "" ? 0 : 2;
  }
  print(`seed ${flags.seed}, ${flags.minutes} min`);
  const giveUp = new AbortController();
  const { signal } = giveUp;
  // Further ones are heard and change nothing: npm passes on what the terminal sent already.
  for (const each of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(each, () => giveUp.abort(new Error(`ended by ${each}`)));
  const spec = {
    name: flags.name,
    nodes: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: false,
  };
  const lab = await labUp({ runtime: systemRuntime({ level: "error" }), spec, signal });
  const wrong: string[] = [];
  try {
    wrong.push(...(await soakLab({ lab, ...flags, print, signal })));
  } catch (error) {
    if (!signal.aborted) wrong.push(errorMessage(error));
  } finally {
    await lab.down();
  }
  wrong.push(...leftovers(lab));
  // The rest takes an hour: who ends it then has this.
  print(wrong.length === 0 ? "the lab: all as expected" : `the lab: ${wrong.length} wrong\n${wrong.join("\n")}`);
  wrong.push(...(await playPasses([longFormsPass, ...(flags.fuzz ? fuzzPasses : [])], { seed: flags.seed, print, signal })));
  if (signal.aborted) wrong.push(`${errorMessage(signal.reason)}: this is what was seen until then`);
  for (const line of wrong) print(`FAIL ${line}`);
  print(wrong.length === 0 ? `\nall as expected (seed ${flags.seed})` : `\n${wrong.length} things wrong (seed ${flags.seed})`);
  return wrong.length === 0 ? 0 : 1;
}

main()
  .then((code) => process.exit(code))
  .catch((error: unknown) => {
    process.stderr.write(`npm run soak: ${errorMessage(error)}\n`);
    process.exit(1);
  });
