import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Lab } from "../lab.ts";
import type { Script } from "./script.ts";

/** Where a script runs: on a lab, or on any cluster that has the product. */
export interface ScriptPlace {
  readonly kubeconfig: string;
  /** With nodes to stop and processes to kill; absent on other clusters. */
  readonly lab?: Lab;
  /** What the scripts' `node-1` and `node-2` are called here. */
  readonly nodeNames: ReadonlyMap<string, string>;
}

export const labPlace = (lab: Lab): ScriptPlace => ({ kubeconfig: lab.paths.adminKubeconfig, lab, nodeNames: new Map() });

/** Any cluster: its schedulable nodes in the order of their names stand for `node-1`, `node-2`, …. */
export async function clusterPlace(kubeconfig: string): Promise<ScriptPlace> {
  const template = '{range .items[?(@.spec.unschedulable!=true)]}{.metadata.name}{"\\n"}{end}';
  const args = ["--kubeconfig", kubeconfig, "get", "nodes", "-o", `jsonpath=${template}`];
  const { stdout } = await promisify(execFile)("kubectl", args);
  const names = stdout.split("\n").filter((name) => name !== "");
  return { kubeconfig, nodeNames: new Map(names.sort().map((name, index) => [`node-${index + 1}`, name])) };
}

/** Why `script` cannot run at `place`; undefined when it can. */
export function unsuitable(script: Script, place: ScriptPlace): string | undefined {
  if (place.lab !== undefined) return undefined;
  const verb = script.steps.map(({ words }) => words[0]).find((word) => ["lab", "kill", "on"].includes(word ?? ""));
  if (verb !== undefined) return `${verb} needs a lab`;
  return place.nodeNames.size < 2 ? `the cluster has ${place.nodeNames.size} schedulable nodes, and it needs two` : undefined;
}

/** `text` with the scripts' names of nodes replaced by those of `place`. */
export function renamed(text: string, { nodeNames }: ScriptPlace): string {
  return text.replaceAll(/\bnode-\d+\b/g, (name) => nodeNames.get(name) ?? name);
}
