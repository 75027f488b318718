// `npm run soak -- [--minutes N] [--seed N]`: a lab whose processes are killed at random while policies change, then the property tests.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createKubectl } from "../src/lab/demo/kubectl.ts";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { processesOf } from "../src/lab/supervisor/leftovers.ts";
import { errorMessage } from "../src/lib/runtime/errors.ts";
import { seededRandom, systemRandom } from "../src/lib/runtime/random.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { clustersPass } from "./soak/clusters.ts";
import { dnsPass } from "./soak/dns.ts";
import { fuzzPass } from "./soak/fuzz.ts";
import { startKiller } from "./soak/kills.ts";
import { longFormsPass } from "./soak/long-forms.ts";
import { simPass } from "./soak/sim.ts";
import { simScriptsPass } from "./soak/sim-scripts.ts";
import { startPhases } from "./soak/phases.ts";
import { judge, longestOutage } from "./soak/verdicts.ts";
import { startWatchedWays } from "./soak/watched-ways.ts";

const usage = `usage: npm run soak -- [--minutes N] [--seed N] [--name NAME] [--without-fuzz]

  --minutes N      how long processes are killed and stopped; default 10
  --seed N         who is killed when: a whole number; default random, printed
  --name NAME      of the lab; default soak
  --without-fuzz   leave malformed DNS and the property tests out

Exit codes: 0 all verdicts as expected, nothing left over, all properties hold; 1 otherwise; 2 a wrong flag.
`;
/** Most lines told of one kind of problem. */
const mostTold = 20;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

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

/** Kills and changes for `minutes`, then judges. Resolves with what was wrong. */
async function soakLab(lab: Lab, { minutes, seed }: Flags): Promise<string[]> {
  const kubectl = createKubectl(lab.paths.adminKubeconfig);
  const phases = await startPhases({ lab, kubectl });
  const ways = await startWatchedWays(kubectl);
  const wrong: string[] = [...(await phases.problems())];
  const end = Date.now() + minutes * 60_000;
  const killer = startKiller({ lab, random: seededRandom(seed), print });
  let changes = 0;
  try {
    while (Date.now() < end) {
      const phase = await phases.advance();
      changes++;
      const problems = await killer.quietly(() => phases.problems());
      print(`         ${phase}: ${problems.length === 0 ? "every verdict as expected" : `${problems.length} wrong`}`);
      wrong.push(...problems);
      await new Promise((resolve) => setTimeout(resolve, 15_000));
    }
  } finally {
    await killer.stop();
  }
  wrong.push(...(await phases.problems()));
  for (const way of ways) {
    const samples = await way.samples();
    wrong.push(...judge(way, samples, killer.kills).slice(0, mostTold));
    const outage = way.open ? `, longest time without an answer ${longestOutage(samples)} ms` : "";
    print(`${way.name}: tried ${samples.length} times${outage}`);
  }
  const restarts = await kubectl([
    "get",
    "pods",
    "-A",
    "-o",
    "jsonpath={range .items[*]}{.status.containerStatuses[*].restartCount} {end}",
  ]);
  if (/[1-9]/.test(restarts)) wrong.push(`containers were started again: restart counts ${restarts.trim()}`);
  print(`${killer.kills.length} processes killed or stopped, policies changed ${changes} times`);
  return wrong;
}

/** What of the lab is still there after it went down. */
function leftovers(lab: Lab): string[] {
  const { name } = lab.spec;
  const namespaces = existsSync("/var/run/netns") ? readdirSync("/var/run/netns") : [];
  return [
    ...processesOf(name).map((pid) => `process ${pid}`),
    ...namespaces.filter((netns) => netns.startsWith(`${name}-`)).map((netns) => `network namespace ${netns}`),
    ...(existsSync(lab.paths.root) ? [`folder ${lab.paths.root}`] : []),
    ...(readFileSync("/proc/self/mountinfo", "utf8").includes(` ${lab.paths.root}/`) ? [`mounts below ${lab.paths.root}`] : []),
  ].map((what) => `left over: ${what}`);
}

async function main(): Promise<number> {
  const flags = flagsOf(process.argv.slice(2));
  if (typeof flags === "string") {
    process.stderr.write(flags === "" ? usage : `npm run soak: ${flags}\n${usage}`);
    return flags === "" ? 0 : 2;
  }
  print(`seed ${flags.seed}, ${flags.minutes} min`);
  const giveUp = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => giveUp.abort(new Error("interrupted")));
  const spec = {
    name: flags.name,
    nodes: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    fromSource: false,
  };
  const lab = await labUp({ runtime: systemRuntime({ level: "error" }), spec, signal: giveUp.signal });
  const interrupted = new Promise<string[]>((_resolve, reject) =>
    giveUp.signal.addEventListener("abort", () => reject(giveUp.signal.reason), { once: true }),
  );
  const wrong: string[] = [];
  try {
    wrong.push(...(await Promise.race([soakLab(lab, flags), interrupted])));
  } catch (error) {
    wrong.push(errorMessage(error));
  } finally {
    await lab.down();
  }
  wrong.push(...leftovers(lab));
  // The rest takes an hour: who ends it then has this.
  print(wrong.length === 0 ? "the lab: all as expected" : `the lab: ${wrong.length} wrong\n${wrong.join("\n")}`);
  if (!giveUp.signal.aborted) wrong.push(...(await longFormsPass(flags.seed)));
  if (flags.fuzz && !giveUp.signal.aborted) wrong.push(...(await simPass(flags.seed, print)));
  if (flags.fuzz && !giveUp.signal.aborted) wrong.push(...(await simScriptsPass(print)));
  if (flags.fuzz && !giveUp.signal.aborted && !clustersPass(flags.seed))
    wrong.push("policies and packets disagree with the text: see above");
  if (flags.fuzz && !giveUp.signal.aborted && !dnsPass(flags.seed))
    wrong.push("malformed DNS was not read or refused as it must be: see above");
  if (flags.fuzz && !giveUp.signal.aborted && !(await fuzzPass())) wrong.push("property tests failed: see above");
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
