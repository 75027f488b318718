import { mkdir } from "node:fs/promises";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { type AgentOptions, datapathOf } from "../agent-options.ts";
import { type Fabric, plugNode, setWires, unplugNode } from "../fabric/fabric.ts";
import { forwardApiService } from "../fabric/api-service.ts";
import type { KubeAssets } from "../kube-assets/find-assets.ts";
import type { LabPaths } from "../paths.ts";
import { clusterNodeName, type LabSpec, nodeName } from "../spec.ts";
import { type SupervisedProcess, supervise } from "../supervisor/processes.ts";
import { inTurn, together } from "../together.ts";
import { cleanupContainerd } from "./containerd-cleanup.ts";
import { superviseContainerd } from "./containerd-process.ts";
import { NodeNotRunning } from "./errors.ts";
import { superviseKubelet } from "./kubelet-process.ts";
import { machineProcess } from "./machine.ts";
import { loadNodeImage, loadProductImage, prepareNodeImages } from "./node-images.ts";
import { createNodeNetwork } from "./node-network.ts";

export type NodeState = "stopped" | "starting" | "running" | "partitioned";

/** One node of a lab: a network namespace with its own switch, container runtime, kubelet and agent; a bare one without switch and agent. */
export interface LabNode {
  /** `node-1`. */
  readonly name: string;
  /** How the cluster calls it: the same, but under somebody else's API server. */
  readonly clusterName: string;
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
  const clusterName = clusterNodeName(spec, number);
  const node = paths.node(name);
  const bare = spec.bare === true;
  const machine: SupervisedProcess = supervise({
    runtime,
    lab: spec.name,
    spec: machineProcess({ name, node, logs: paths.logs, pid: () => machine.pid }),
    signal,
  });
  const mountsOf = bare ? (): number | undefined => machine.pid : undefined;
  const containerd = superviseContainerd({ runtime, name, paths: node, lab: spec.name, mountsOf, signal });
  const kubelet = superviseKubelet({ runtime, paths, node: name, number, spec, assets, mountsOf, signal });
  const network = bare ? undefined : createNodeNetwork({ runtime, paths, spec, name, clusterName, number, signal, cniExecutable });
  const processes = [...(bare ? [machine] : []), ...(network?.processes ?? []), containerd, kubelet];
  let state: NodeState = "stopped";

  const switchOn = async (): Promise<void> => {
    await Promise.all(
      [node.ovs, node.containerd, node.cniConf, node.cniBin, node.agent].map((folder) => mkdir(folder, { recursive: true, mode: 0o755 })),
    );
    // The tokens of pods are in there, readable for the users that containers run as: the folder keeps other users of the machine out.
    await mkdir(node.kubelet, { recursive: true, mode: 0o700 });
    signal.throwIfAborted();
    // A bare node knows of no switch yet, and the kernel's datapath leaves the interface with the node.
    const uplink = bare || datapathOf(spec.agentOptions ?? {}) === "system" ? "stack" : "switch";
    await plugNode({ fabric, netns: node.netns, node: number, uplink });
    if (bare) {
      await machine.start();
      await forwardApiService({ netns: node.netns, spec });
    }
    const containers = async (): Promise<void> => {
      await prepareNodeImages({ runtime, node });
      await containerd.start();
      if (bare) await loadProductImage(node);
      await kubelet.start();
    };
    await together([network?.start() ?? Promise.resolve(), containers()]);
  };
  const switchOff = (): Promise<void> =>
    inTurn([
      () => Promise.all([kubelet.stop(), network?.stopAgent()]),
      () => containerd.stop(),
      () => cleanupContainerd({ directory: node.containerd, clock: runtime.clock }),
      () => network?.stopSwitch(),
      () => machine.stop(),
      () => unplugNode({ fabric, netns: node.netns, node: number }),
    ]);

  return {
    name,
    clusterName,
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
      await network?.configure(wanted, { restart: state !== "stopped" });
    },
    async loadImage(archive) {
      return loadNodeImage({ node, archive });
    },
  };
}
