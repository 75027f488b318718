import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { type AgentOptions, datapathOf, isChained } from "../agent-options.ts";
import { addressTransport } from "../fabric/fabric.ts";
import type { LabPaths } from "../paths.ts";
import { program } from "../programs.ts";
import type { LabSpec } from "../spec.ts";
import { type ProcessSpec, type SupervisedProcess, supervise } from "../supervisor/processes.ts";
import { agentApiReady, agentConfig, cniConflist } from "./agent-config.ts";
import { switchProcesses } from "./ovs.ts";
import { podCidrsOf } from "./primary-network.ts";
import { installStockPlugins } from "./stock-plugins.ts";

/** The product on a node: Open vSwitch, the agent, the CNI executable and its configuration. */
export interface NodeNetwork {
  readonly processes: readonly SupervisedProcess[];
  start(): Promise<void>;
  /** Another configuration of the agent, for its next start; `restart` makes that now. */
  configure(options: AgentOptions, how: { readonly restart: boolean }): Promise<void>;
  stopAgent(): Promise<void>;
  stopSwitch(): Promise<void>;
}

export function createNodeNetwork(options: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly name: string;
  /** How the cluster calls the node. */
  readonly clusterName: string;
  readonly number: number;
  readonly signal: AbortSignal;
  readonly cniExecutable: string;
}): NodeNetwork {
  const { runtime, paths, spec, name, clusterName, number, signal, cniExecutable } = options;
  const node = paths.node(name);
  const datapath = datapathOf(spec.agentOptions ?? {});
  const supervised = (processSpec: ProcessSpec): SupervisedProcess => supervise({ runtime, lab: spec.name, spec: processSpec, signal });
  const [database, vswitchd] = switchProcesses({ node: name, folder: node.ovs, netns: node.netns, logs: paths.logs, datapath }).map(
    supervised,
  );
  if (database === undefined || vswitchd === undefined) throw new TypeError("a switch has two processes");
  const { command, args } = program("antrea-agent", spec);
  const agent = supervised({
    name: `${name}/antrea-agent`,
    command,
    args: [...args, "--config", node.agentConfig],
    netns: node.netns,
    env: { NODE_NAME: clusterName, POD_NAME: `antrea-agent-${name}`, POD_NAMESPACE: "kube-system" },
    logFile: join(paths.logs, `${name}-antrea-agent.log`),
    ready: agentApiReady(node),
  });
  let agentOptions = spec.agentOptions ?? {};
  const startAgent = async (): Promise<void> => {
    await writeFile(node.agentConfig, agentConfig({ paths, node, options: agentOptions }));
    await agent.start();
    // as upstream's install-cni does: the runtime finds the network only once the agent can serve it
    const podCidrs = isChained(agentOptions) ? await podCidrsOf(clusterName, { runtime, paths, spec, signal }) : [];
    await writeFile(join(node.cniConf, "10-antrea.conflist"), cniConflist({ node, options: agentOptions, podCidrs }));
  };
  return {
    processes: [database, vswitchd, agent],
    async start() {
      await rm(join(node.cniBin, "antrea"), { force: true });
      await symlink(cniExecutable, join(node.cniBin, "antrea"));
      await installStockPlugins(node.cniBin);
      await database.start();
      await vswitchd.start();
      if (datapath === "netdev") await addressTransport({ netns: node.netns, node: number });
      await startAgent();
    },
    async configure(wanted, { restart }) {
      agentOptions = wanted;
      if (!restart) return;
      await agent.stop();
      await startAgent();
    },
    stopAgent: () => agent.stop(),
    async stopSwitch() {
      await vswitchd.stop();
      await database.stop();
    },
  };
}
