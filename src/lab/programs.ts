import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabRequirement } from "./errors.ts";

/** The daemons that the lab starts, each with its source. */
const programs = {
  "antrea-agent": "src/agent/main.ts",
  "antrea-controller": "src/controller/main.ts",
  "lab-api-server": "src/lab/api-server/main.ts",
  "lab-controllers": "src/lab/controllers/main.ts",
  "lab-door": "src/lab/door/main.ts",
  "lab-kubelet": "src/lab/kubelet/main.ts",
} as const;

export type ProgramName = keyof typeof programs;

/**
 * Options of Node for a program. The controller's young objects are few beside those that live on: with the default, 48 MB and more are touched anew between two
 * collections, which costs it a third of its memory and, where memory comes from a hypervisor, half of its processor time on a first load.
 */
export const nodeOptions: { readonly [Name in ProgramName]?: readonly string[] } = { "antrea-controller": ["--max-semi-space-size=8"] };

/** The folder that holds `package.json`: three floors up from this source, one up from a bundle. */
export const projectFolder = findProject(dirname(fileURLToPath(import.meta.url)));

/** How to run a daemon: from its bundle as in production, or from TypeScript during development. */
export function program(
  name: ProgramName,
  options: { readonly fromSource: boolean },
): { readonly command: string; readonly args: readonly string[] } {
  const file = options.fromSource ? join(projectFolder, programs[name]) : join(projectFolder, "dist", `${name}.js`);
  if (!existsSync(file)) throw new LabRequirement(`${name} is not built (${file} is missing)`, "run npm run build, or give --from-source");
  return { command: process.execPath, args: [...(nodeOptions[name] ?? []), file] };
}

function findProject(folder: string): string {
  if (existsSync(join(folder, "package.json")) || folder === "/") return folder;
  return findProject(dirname(folder));
}
