import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { projectFolder } from "#lab/programs.ts";
import { clusterPlace, unsuitable } from "#lab/script/place.ts";
import { runScript } from "#lab/script/run-script.ts";
import { parseScript } from "#lab/script/script.ts";
import { loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import { UnsupportedValue } from "../errors.ts";

/** `antctl lab test`: each script's verdict on a line; exit code 1 when one failed. */
export async function testCluster({
  kubeconfig,
  scripts,
}: {
  readonly kubeconfig: string;
  readonly scripts: readonly string[];
}): Promise<void> {
  const folder = join(projectFolder, "e2e", "scripts");
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".script"))
    .map((file) => file.replace(/\.script$/, ""))
    .sort();
  for (const name of scripts) if (!names.includes(name)) throw new UnsupportedValue(name, "scripts", `one of ${names.join(", ")}`);
  loadKubeconfig(kubeconfig);
  const place = await clusterPlace(resolve(kubeconfig));
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
      await runScript({ script, place }).then(
        () => tell("passed", name),
        (error: unknown) => tell("failed", `${name}: ${errorMessage(error)}`),
      );
  }
  process.stdout.write(
    `${Object.entries(counts)
      .map(([verdict, count]) => `${count} ${verdict}`)
      .join(", ")}\n`,
  );
  if (counts.failed > 0) process.exitCode = 1;
}
