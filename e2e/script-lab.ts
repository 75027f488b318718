import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Lab, labUp } from "../src/lab/lab.ts";
import { labPlace } from "../src/lab/script/place.ts";
import { runScript } from "../src/lab/script/run-script.ts";
import { parseScript } from "../src/lab/script/script.ts";
import { defaultPodCidrs, defaultServiceCidrs } from "../src/lab/spec.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

const folder = fileURLToPath(new URL("./scripts", import.meta.url));
/** Scripts of this number and above kill processes of the lab. */
const firstKilling = "80";
const files = readdirSync(folder)
  .filter((entry) => entry.endsWith(".script"))
  .sort();

/** By file name. Those that kill leave nothing of their lab to others meanwhile. */
export const scripts = {
  peaceful: files.filter((file) => file < firstKilling),
  killing: files.filter((file) => file >= firstKilling),
} as const;

/** The longest takes one; each wait in a script has a limit of its own. */
export const scriptLimitMs = 20 * 60_000;

/** What all scripts expect: two nodes, two controllers, cluster DNS. */
export function scriptLab(name: string): Promise<Lab> {
  const spec = {
    name,
    nodes: 2,
    controllers: 2,
    podCidrs: defaultPodCidrs,
    serviceCidrs: defaultServiceCidrs,
    uplink: false,
    clusterDns: true,
    fromSource: false,
  };
  return labUp({ runtime: systemRuntime({ level: "warn" }), spec });
}

export async function playScript(lab: Lab, file: string): Promise<void> {
  await runScript({ script: parseScript(readFileSync(`${folder}/${file}`, "utf8")), place: labPlace(lab) });
}
