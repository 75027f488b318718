import { Command, Option } from "commander";
import { askControl, type ControlRequest } from "#lab/control-server.ts";
import { labPaths } from "#lab/paths.ts";
import { defaultPodCidrs, defaultServiceCidrs, parseControllerCount, parseNodeCount } from "#lab/spec.ts";
import type { LabStatus } from "#lab/status.ts";
import { minutes, parseDuration, seconds } from "#lib/runtime/duration.ts";
import { InvalidLabOption } from "#lab/errors.ts";
import { UnsupportedValue } from "../errors.ts";
import { fail } from "../exit.ts";
import { formatStatus } from "./format-status.ts";
import { loadArchives } from "./load-archives.ts";
import type { SimFlags } from "./sim.ts";

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
const splitList = (text: string): string[] => text.split(",").map((part) => part.trim());
const cidrs = (flag: string, description: string, byDefault: readonly string[]): Option =>
  new Option(`${flag} <prefixes>`, description).argParser(splitList).default(byDefault, byDefault.join(","));

/** `antctl lab …`. What brings a lab up or down loads only when asked for: it is most of the program. */
export function labCommand(): Command {
  const lab = new Command("lab")
    .enablePositionalOptions()
    .description("a whole cluster on this machine: Kubernetes API, nodes with real Open vSwitch and containerd, real pods");
  lab
    .command("up")
    .description("start a lab and stay in the foreground until Ctrl-C (or --detach)")
    .option("--nodes <count>", "number of nodes; 0 for a cluster whose nodes `lab nodes` brings", parseNodeCount, 2)
    .option("--controllers <count>", "number of antrea-controllers", parseControllerCount, 1)
    .option("--name <name>", "name of the lab", "lab")
    .addOption(cidrs("--pod-cidr", "pod addresses, at most one prefix per family, comma-separated", defaultPodCidrs))
    .addOption(cidrs("--service-cidr", "Service addresses, the same families", defaultServiceCidrs))
    .option("--detach", "return when the lab is up and leave it running in the background")
    .option("--kubeconfig <file>", "also write the administrator's kubeconfig to this file")
    .option(
      "--agent-config <KEY=VALUE|file>",
      "what the agents are configured with, such as trafficEncapMode=noEncap, or a file in the form of antrea-agent.conf; may be repeated",
      collect,
    )
    .option(
      "--controller-config <KEY=VALUE|file>",
      "the same for the controllers, such as featureGates.AdminNetworkPolicy=false, in the form of antrea-controller.conf; may be repeated",
      collect,
    )
    .option("--uplink", "let pods reach what this machine reaches: adds one link and one NAT table to the host's network")
    .option("--no-dns", "no name server for the cluster: pods ask the machine's")
    .option("--bare", "nodes without the product: it comes by kubectl apply -f deploy/antrea.yml")
    .option("--kube-assets <folder>", "run the real Kubernetes binaries in this folder instead of the lab's own, each that is there")
    .option("--from-source", "run the daemons from TypeScript instead of from their bundles")
    .action(async (options: UpFlags) => {
      const { up } = await import("./up.ts");
      await up(options);
    });
  lab
    .command("nodes")
    .description("put nodes under any Kubernetes API server (1.30 or newer) and stay in the foreground until Ctrl-C (or --detach)")
    .requiredOption("--kubeconfig <file>", "the cluster, and as whom the nodes come: a user who may do everything")
    .option("--nodes <count>", "number of nodes", Number, 1)
    .option("--name <name>", "name of the lab, and first part of the nodes' names", "nodes")
    .option("--api-netns <name>", "network namespace that the API server runs in, when it is not the machine's own")
    .option("--bare", "container runtime and kubelet alone: the product comes by kubectl apply -f deploy/antrea.yml")
    .option("--kube-assets <folder>", "run the real kubelet in this folder instead of the lab's own")
    .option("--detach", "return when the nodes are up and leave them running in the background")
    .option("--from-source", "run the daemons from TypeScript instead of from their bundles")
    .action(async (options: NodesFlags) => {
      const { up } = await import("./up.ts");
      const { kubeconfig, ...flags } = options;
      await up({
        ...flags,
        controllers: 1,
        dns: false,
        joins: kubeconfig,
        podCidr: defaultPodCidrs,
        serviceCidr: defaultServiceCidrs,
      });
    });
  lab
    .command("test")
    .description("run the lab's script tests against any cluster that has the product; those that need a lab are left out by name")
    .option("--kubeconfig <file>", "the cluster (default: $KUBECONFIG, ~/.kube/config)")
    .option("--simulated", "a cluster in this process, without root: what needs containers or real packets is left out by name")
    .argument("[scripts...]", "names of scripts, such as 10-policy; default: all")
    .action(async (scripts: readonly string[], place: { readonly kubeconfig?: string; readonly simulated?: true }) => {
      const { testCluster } = await import("./test.ts");
      await testCluster({ ...place, scripts });
    });
  lab
    .command("sim")
    .description(
      "break a cluster from a seed: agents, controller and API in this process, under a simulated clock, network and switches; needs no root",
    )
    .option("--nodes <count>", "number of nodes", wholeNumber("--nodes", { least: 1, most: 5_000 }), 5)
    .option("--pods <count>", "pods at the start; default four for each node", wholeNumber("--pods", { least: 0, most: 100_000 }))
    .option("--controllers <count>", "number of controllers", wholeNumber("--controllers", { least: 1, most: 9 }), 1)
    .option("--seed <number>", "all chance comes from it; default random, printed", wholeNumber("--seed", { least: 0, most: 0xffff_ffff }))
    .option("--start <time>", "in which pods and policies are made, in simulated time; default 20s", simulatedTime("--start"))
    .option("--duration <time>", "how long things happen, with the start, such as 10m", simulatedTime("--duration"), minutes(3))
    .option(
      "--faults <count>",
      "faults for each minute on average; 0 for ordinary events alone",
      wholeNumber("--faults", { least: 0, most: 1_000 }),
      6,
    )
    .option("--scenario <file>", "run this scenario instead of one from a seed")
    .option("--save <file>", "write the scenario to this file")
    .option("--mutant <name>", "build a mistake into the agents, to see that it is noticed")
    .option("--other-build <folder>", "a checkout of another version, with its dependencies: controllers and agents are of both")
    .option("--strict", "count it as wrong when what one change means for several policies is not in force at the same time")
    .option("--no-shrink", "do not look for fewer events that fail too")
    .action(async (options: SimFlags) => {
      const { simulate } = await import("./sim.ts");
      await simulate(options);
    });
  lab
    .command("down")
    .description("end a lab and remove everything it made; also cleans up after one that was killed")
    .option("--name <name>", "name of the lab", "lab")
    .action(async ({ name }: { name: string }) => {
      const { down } = await import("./down.ts");
      await down(name);
    });
  lab
    .command("status")
    .description("show the lab's nodes, processes and kubeconfig")
    .option("--name <name>", "name of the lab", "lab")
    .option("-o, --output <format>", "table or json", "table")
    .action(async ({ name, output }: { name: string; output: string }) => {
      if (output !== "table" && output !== "json") throw new UnsupportedValue(output, "output", "one of table, json");
      const status = (await ask(name, { action: "status" })) as LabStatus;
      process.stdout.write(output === "json" ? `${JSON.stringify(status, undefined, 2)}\n` : formatStatus(status));
    });
  lab
    .command("exec")
    .description("run a command on a node, as in the agent's Pod there (or `controller`: as in the controller's)")
    .argument("<node>", "node-1, node-2, …, controller, controller-2, …")
    .argument("[command...]", "default: a shell")
    .option("--name <name>", "name of the lab", "lab")
    .passThroughOptions()
    .action(async (place: string, command: readonly string[], { name }: { name: string }) => {
      const { execIn } = await import("./exec.ts");
      await execIn({ name, place, command });
    });
  lab
    .command("agent-config")
    .description(
      "give the agents of a running lab another configuration: what --agent-config of lab up takes, in place of what it was given",
    )
    .argument("[KEY=VALUE|file...]", "none: the lab's own defaults")
    .option("--name <name>", "name of the lab", "lab")
    .action(async (given: readonly string[], { name }: { name: string }) => {
      const { readAgentOptions } = await import("#lab/agent-options.ts");
      await ask(name, { action: "agent-config", options: readAgentOptions(given) });
      process.stdout.write("agents are started anew; pods keep the interfaces they have: make them anew where the mode changed\n");
    });
  const node = lab.command("node").description("break and mend nodes");
  const verbs = {
    stop: "pull the plug: processes and containers end, the disk stays",
    start: "switch a stopped node on",
    partition: "cut a node's cables to the API server and to other nodes",
    heal: "mend the cables",
  } as const;
  for (const [verb, description] of Object.entries(verbs))
    node
      .command(`${verb} <node>`)
      .description(description)
      .option("--name <name>", "name of the lab", "lab")
      .action(async (nodeName: string, { name }: { name: string }) => {
        await ask(name, { action: `node-${verb as keyof typeof verbs}`, node: nodeName });
        process.stdout.write(`${nodeName}: ${verb === "stop" ? "stopped" : verb === "start" ? "running" : `${verb}ed`}\n`);
      });
  const controller = lab.command("controller").description("break and mend the ways to antrea-controllers");
  for (const [verb, description] of [
    ["partition", "cut a controller's cable to agents and API server"],
    ["heal", "mend the cable"],
  ] as const)
    controller
      .command(`${verb} <controller>`)
      .description(description)
      .option("--name <name>", "name of the lab", "lab")
      .action(async (controllerName: string, { name }: { name: string }) => {
        await ask(name, { action: `controller-${verb}`, controller: controllerName });
        process.stdout.write(`${controllerName}: ${verb}ed\n`);
      });
  lab
    .command("image")
    .description("images of the lab")
    .command("load <archives...>")
    .description(
      "import archives made by `docker save` on every node; one that cannot be loaded is named, and the others are loaded all the same",
    )
    .option("--name <name>", "name of the lab", "lab")
    .action(async (archives: readonly string[], { name }: { name: string }) => {
      const { resolve } = await import("node:path");
      const load = async (archive: string): Promise<readonly string[]> => {
        const answer = (await ask(name, { action: "image-load", archive: resolve(archive) })) as { images: readonly string[] };
        return answer.images;
      };
      const print = (line: string): void => void process.stdout.write(`${line}\n`);
      await loadArchives({ archives, load, print, complain: fail });
    });
  return lab;
}

export interface UpFlags {
  readonly nodes: number;
  readonly controllers: number;
  readonly name: string;
  readonly podCidr: readonly string[];
  readonly serviceCidr: readonly string[];
  readonly agentConfig?: readonly string[];
  readonly controllerConfig?: readonly string[];
  readonly detach?: true;
  readonly kubeconfig?: string;
  readonly uplink?: true;
  readonly dns: boolean;
  readonly kubeAssets?: string;
  readonly bare?: true;
  readonly joins?: string;
  readonly apiNetns?: string;
  readonly fromSource?: true;
}

type NodesFlags = Omit<
  UpFlags,
  "controllers" | "dns" | "podCidr" | "serviceCidr" | "joins" | "kubeconfig" | "agentConfig" | "controllerConfig"
> & {
  readonly kubeconfig: string;
};

const wholeNumber =
  (flag: string, { least, most }: { readonly least: number; readonly most: number }) =>
  (text: string): number => {
    const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(number >= least && number <= most)) throw new InvalidLabOption(flag, text, `use a whole number from ${least} to ${most}`);
    return number;
  };

const simulatedTime =
  (flag: string) =>
  (text: string): number => {
    const duration = parseDuration(text);
    if (duration === undefined || duration < seconds(1))
      throw new InvalidLabOption(flag, text, "use a time of at least 1s, such as 90s, 10m, 1h");
    return duration;
  };

const ask = (lab: string, request: ControlRequest): Promise<unknown> =>
  askControl({ socket: labPaths(lab).controlSocket, lab, ask: request });
