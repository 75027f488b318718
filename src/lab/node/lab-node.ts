import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeAssets } from "../kube-assets/find-assets.ts";
import { prepareRealKubelet, realKubeletArguments } from "../kube-assets/kubelet.ts";
import { type AgentOptions, isChained } from "../agent-options.ts";
import { addressTransport, type Fabric, plugNode, setWires, unplugNode } from "../fabric/fabric.ts";
import type { LabPaths } from "../paths.ts";
import { program } from "../programs.ts";
import { type LabSpec, nodeName } from "../spec.ts";
import { type ProcessSpec, type SupervisedProcess, supervise } from "../supervisor/processes.ts";
import { agentApiReady, agentConfig, cniConflist } from "./agent-config.ts";
import { superviseContainerd } from "./containerd-process.ts";
import { cleanupContainerd } from "./containerd-cleanup.ts";
import { kubeletArguments, kubeletIdentity } from "./kubelet-process.ts";
import { together } from "../together.ts";
import { NodeNotRunning } from "./errors.ts";
import { loadNodeImage, prepareNodeImages } from "./node-images.ts";
import { switchProcesses } from "./ovs.ts";
import { podCidrsOf } from "./primary-network.ts";
import { installStockPlugins } from "./stock-plugins.ts";

export type NodeState = "stopped" | "starting" | "running" | "partitioned";

/** One node of a lab: a network namespace with its own switch, container runtime, kubelet and agent. */
export interface LabNode {
  readonly name: string;
  readonly number: number;
  readonly state: NodeState;
  readonly processes: readonly SupervisedProcess[];
  /** Brings everything up, as when a machine is switched on; its disk (database, images, pods' records) is as it was. */
  start(): Promise<void>;
  /** As pulling the plug: processes and containers are gone, the disk stays. */
  stop(): Promise<void>;
  partition(): Promise<void>;
  heal(): Promise<void>;
  /** Gives the agent another configuration and starts it anew. Has effect on a node that runs, and on the next start of one that does not. */
  configureAgent(options: AgentOptions): Promise<void>;
  /** Imports an image archive into its containerd. */
  loadImage(archive: string): Promise<readonly string[]>;
}

export interface LabNodeOptions {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  /** The real binaries; a kubelet among them is the node's. */
  readonly assets: KubeAssets;
  readonly fabric: Fabric;
  readonly number: number;
  /** Ends every process of the node at once. */
  readonly signal: AbortSignal;
  /** The antrea-cni executable, built once for all nodes. */
  readonly cniExecutable: string;
}

export function createLabNode({ runtime, paths, spec, assets, fabric, number, signal, cniExecutable }: LabNodeOptions): LabNode {
  const name = nodeName(number);
  const node = paths.node(name);
  const supervised = (processSpec: ProcessSpec): SupervisedProcess => supervise({ runtime, lab: spec.name, spec: processSpec, signal });
  const daemon = (
    programName: "antrea-agent" | "lab-kubelet",
    args: readonly string[],
    ready: () => Promise<void>,
    env: NodeJS.ProcessEnv,
  ): SupervisedProcess => {
    const { command, args: programArgs } = program(programName, spec);
    return supervised({
      name: `${name}/${programName === "lab-kubelet" ? "kubelet" : programName}`,
      command,
      args: [...programArgs, ...args],
      netns: node.netns,
      env,
      logFile: join(paths.logs, `${name}-${programName === "lab-kubelet" ? "kubelet" : programName}.log`),
      ready,
    });
  };
  const realKubelet = (command: string): SupervisedProcess => {
    const kubelet = kubeletIdentity({ paths, node: name, number, spec });
    return supervised({
      name: `${name}/kubelet`,
      command,
      args: realKubeletArguments(kubelet),
      netns: node.netns,
      logFile: join(paths.logs, `${name}-kubelet.log`),
      beforeStart: () => prepareRealKubelet(kubelet),
      ready: () => Promise.resolve(),
    });
  };
  const [database, vswitchd] = switchProcesses({ node: name, folder: node.ovs, netns: node.netns, logs: paths.logs }).map(supervised);
  const containerd = superviseContainerd({ runtime, name, paths: node, lab: spec.name, signal });
  const kubelet =
    assets.kubelet === undefined
      ? daemon("lab-kubelet", kubeletArguments({ paths, node: name, number, spec }), () => Promise.resolve(), {})
      : realKubelet(assets.kubelet);
  const agent = daemon("antrea-agent", ["--config", node.agentConfig], agentApiReady(node), {
    NODE_NAME: name,
    POD_NAME: `antrea-agent-${name}`,
    POD_NAMESPACE: "kube-system",
  });
  if (database === undefined || vswitchd === undefined) throw new TypeError("a switch has two processes");
  const processes = [database, vswitchd, containerd, kubelet, agent];
  let state: NodeState = "stopped";
  let options = spec.agentOptions ?? {};

  const configure = (): Promise<void> => writeFile(node.agentConfig, agentConfig({ paths, node, options }));
  const startAgent = async (): Promise<void> => {
    await agent.start();
    // as upstream's install-cni does: the runtime finds the network only once the agent can serve it
    const podCidrs = isChained(options) ? await podCidrsOf(name, { runtime, paths, spec, signal }) : [];
    await writeFile(join(node.cniConf, "10-antrea.conflist"), cniConflist({ node, options, podCidrs }));
  };
  const switchOn = async (): Promise<void> => {
    await Promise.all(
      [node.ovs, node.containerd, node.cniConf, node.cniBin, node.agent].map((folder) => mkdir(folder, { recursive: true, mode: 0o755 })),
    );
    // The tokens of pods are in there, readable for the users that containers run as: the folder keeps other users of the machine out.
    await mkdir(node.kubelet, { recursive: true, mode: 0o700 });
    signal.throwIfAborted();
    await plugNode({ fabric, netns: node.netns, node: number });
    await rm(join(node.cniBin, "antrea"), { force: true });
    await symlink(cniExecutable, join(node.cniBin, "antrea"));
    await installStockPlugins(node.cniBin);
    await configure();
    const network = async (): Promise<void> => {
      await database.start();
      await vswitchd.start();
      await addressTransport({ netns: node.netns, node: number });
      await startAgent();
    };
    const containers = async (): Promise<void> => {
      await prepareNodeImages({ runtime, node });
      await containerd.start();
      await kubelet.start();
    };
    await together([network(), containers()]);
  };
  const switchOff = async (): Promise<void> => {
    await Promise.all([kubelet.stop(), agent.stop()]);
    await containerd.stop();
    await cleanupContainerd({ directory: node.containerd, clock: runtime.clock });
    await vswitchd.stop();
    await database.stop();
    await unplugNode({ fabric, netns: node.netns, node: number });
  };

  return {
    name,
    number,
    processes,
    get state() {
      return state;
    },
    async start() {
      if (state !== "stopped") return;
      state = "starting";
      try {
        await switchOn();
        state = "running";
      } catch (error) {
        // Half a node is none. When the whole lab gives up, its own clean-up follows.
        if (!signal.aborted) await switchOff();
        state = "stopped";
        throw error;
      }
    },
    async stop() {
      if (state === "stopped") return;
      await switchOff();
      state = "stopped";
    },
    async partition() {
      if (state === "stopped" || state === "starting") throw new NodeNotRunning(name, state);
      await setWires({ fabric, node: number, state: "down" });
      state = "partitioned";
    },
    async heal() {
      if (state === "stopped" || state === "starting") throw new NodeNotRunning(name, state);
      await setWires({ fabric, node: number, state: "up" });
      state = "running";
    },
    async configureAgent(wanted) {
      options = wanted;
      if (state === "stopped") return;
      await agent.stop();
      await configure();
      await startAgent();
    },
    async loadImage(archive) {
      return loadNodeImage({ node, archive });
    },
  };
}
