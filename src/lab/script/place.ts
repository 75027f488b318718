import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { KubeList, Node } from "#lib/kube/index.ts";
import type { Lab } from "../lab.ts";
import type { Outcome } from "./execute.ts";
import type { Script } from "./script.ts";

/** Where a script runs: on a lab, or on any cluster that has the product. */
export interface ScriptPlace {
  readonly kubeconfig: string;
  /** With nodes to stop and processes to kill; absent on other clusters. */
  readonly lab?: Lab;
  /** What the scripts' `node-1` and `node-2` are called here. */
  readonly nodeNames: ReadonlyMap<string, string>;
  /** The product runs as processes beside the cluster: there is no pod to call antctl in. */
  readonly withoutPods?: true;
  /** Pods have no containers, and packets no wire. */
  readonly simulated?: true;
  /** What this place does its own way, by the command's name. */
  readonly commands?: ReadonlyMap<string, (args: readonly string[], folder: string) => Promise<Outcome>>;
}

export const labPlace = (lab: Lab): ScriptPlace => ({ kubeconfig: lab.paths.adminKubeconfig, lab, nodeNames: new Map() });

/** Any cluster: its schedulable nodes in the order of their names stand for `node-1`, `node-2`, …. */
export async function clusterPlace(kubeconfig: string): Promise<ScriptPlace> {
  const { stdout } = await promisify(execFile)("kubectl", ["--kubeconfig", kubeconfig, "get", "nodes", "-o", "json"]);
  const { items } = JSON.parse(stdout) as KubeList<Node>;
  const pods = await promisify(execFile)("kubectl", [
    "--kubeconfig",
    kubeconfig,
    "get",
    "pods",
    "-n",
    "kube-system",
    "-l",
    "app=antrea",
    "-o",
    "name",
  ]);
  const names = items.filter(({ spec }) => spec?.unschedulable !== true).flatMap(({ metadata }) => metadata.name ?? []);
  const nodeNames = new Map(names.sort().map((name, index) => [`node-${index + 1}`, name]));
  return { kubeconfig, nodeNames, ...(pods.stdout.trim() === "" ? { withoutPods: true as const } : {}) };
}

/** Why `script` cannot run at `place`; undefined when it can. */
export function unsuitable(script: Script, place: ScriptPlace): string | undefined {
  if (place.lab !== undefined) return undefined;
  if (place.simulated) return needsMachines(script);
  const verb = script.steps.map(({ words }) => words[0]).find((word) => ["lab", "kill", "on"].includes(word ?? ""));
  if (verb !== undefined) return `${verb} needs a lab`;
  if (place.withoutPods && script.steps.some(({ words: [word, where] }) => word === "antctl" && where !== "outside"))
    return "antctl runs in the product's pods, and kube-system has none";
  const text = [...script.steps.map((step) => step.text), ...script.files.values()].join("\n");
  const needed = Math.max(1, ...[...text.matchAll(/\bnode-(\d+)\b/g)].map(([, number]) => Number(number)));
  const present = place.nodeNames.size;
  return present < needed ? `it needs ${needed} schedulable nodes, and the cluster has ${present}` : undefined;
}

/** `ADDRESS:PORT`, for which nobody asks a name server. */
export const literalTarget = /^(?:(\d+(?:\.\d+){3})|\[([0-9a-fA-F:]+)\]):(\d+)$/;
const simulatedProcess = /(^|\/)(antrea-agent|antrea-controller(-\d+)?|lab-api-server)$/;

/** What a simulation has none of: containers to run something in, their packets, daemons beside ours, webhooks. */
function needsMachines({ steps }: Script): string | undefined {
  for (const { words } of steps) {
    const [verb = "", what = "", ...rest] = words[0] === "says" || words[0] === "sees" ? words.slice(2) : words;
    if (verb === "kubectl" && ["exec", "logs", "rollout"].includes(what)) return `kubectl ${what} needs containers`;
    if (["mtu", "seen", "on"].includes(verb)) return `${verb} needs real packets and machines`;
    if (verb === "agnhost" && (rest[0] !== "connect" || !literalTarget.test(rest[1] ?? "")))
      return `agnhost ${rest[0]} ${rest[1]} needs containers`;
    if (["kill", "pause", "resume"].includes(verb))
      for (const name of [what, ...rest]) if (!simulatedProcess.test(name)) return `${name} is a real daemon`;
  }
  return undefined;
}

/** `text` with the scripts' names of nodes replaced by those of `place`. */
export function renamed(text: string, { nodeNames }: ScriptPlace): string {
  return text.replaceAll(/\bnode-\d+\b/g, (name) => nodeNames.get(name) ?? name);
}
