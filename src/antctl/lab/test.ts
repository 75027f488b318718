import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { projectFolder } from "#lab/programs.ts";
import { clusterPlace, unsuitable } from "#lab/script/place.ts";
import { type SimulatedPlace, startSimulatedPlace } from "#lab/sim/scripts/place.ts";
import { runScript } from "#lab/script/run-script.ts";
import { parseScript } from "#lab/script/script.ts";
import { loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage, formatDuration, systemClock } from "#lib/runtime/index.ts";
import { UnsupportedValue } from "../errors.ts";
import { usersKubeconfig } from "../users-kubeconfig.ts";

/** `antctl lab test`: each script's verdict on a line; exit code 1 when one failed. Without `kubeconfig` the cluster is the user's own. */
export async function testCluster({
  kubeconfig,
  simulated,
  scripts,
  environment = process.env,
}: {
  readonly kubeconfig?: string;
  readonly simulated?: true;
  readonly scripts: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}): Promise<void> {
  if (kubeconfig !== undefined && simulated)
    throw new UnsupportedValue(kubeconfig, "--kubeconfig", "nothing beside --simulated, which takes the place of a cluster");
  const folder = join(projectFolder, "e2e", "scripts");
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".script"))
    .map((file) => file.replace(/\.script$/, ""))
    .sort();
  for (const name of scripts) if (!names.includes(name)) throw new UnsupportedValue(name, "scripts", `one of ${names.join(", ")}`);
  const { place, close } = await (simulated ? startSimulatedPlace() : clusterAt(kubeconfig ?? usersKubeconfig(environment)));
  const counts = { passed: 0, failed: 0, "left out": 0 };
  const tell = (verdict: keyof typeof counts, text: string): void => {
    counts[verdict]++;
    process.stdout.write(`${verdict}: ${text}\n`);
  };
  for (const name of scripts.length > 0 ? scripts : names) {
    const script = parseScript(readFileSync(join(folder, `${name}.script`), "utf8"));
    const reason = unsuitable(script, place);
    if (reason !== undefined) tell("left out", `${name}: ${reason}`);
    else
      await timed(() => runScript({ script, place })).then(
        (took) => tell("passed", `${name} in ${took}`),
        (error: unknown) => tell("failed", `${name}: ${errorMessage(error)}`),
      );
  }
  await close();
  process.stdout.write(
    `${Object.entries(counts)
      .map(([verdict, count]) => `${count} ${verdict}`)
      .join(", ")}\n`,
  );
  if (counts.failed > 0) process.exitCode = 1;
}

async function clusterAt(kubeconfig: string): Promise<SimulatedPlace> {
  loadKubeconfig(kubeconfig);
  return { place: await clusterPlace(resolve(kubeconfig)), close: () => Promise.resolve() };
}

async function timed(run: () => Promise<void>): Promise<string> {
  const started = systemClock.monotonic();
  await run();
  return formatDuration(systemClock.monotonic() - started);
}
