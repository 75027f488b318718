import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { loadKubeconfig } from "#lib/kube/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { cleanLab } from "./clean-up.ts";
import { openJoinedCluster } from "./join/joined-cluster.ts";
import { openOwnCluster } from "./own-cluster.ts";
import { type ControlRequest, serveControl } from "./control-server.ts";
import { InvalidLabOption, LabAlreadyRunning } from "./errors.ts";
import { createFabric, setControllerWire } from "./fabric/fabric.ts";
import { routeToPods } from "./fabric/pod-routes.ts";
import { createUplink } from "./fabric/uplink.ts";
import { findKubeAssets, type KubeAssets } from "./kube-assets/find-assets.ts";
import { createLabNode, type LabNode } from "./node/lab-node.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { createNodePki } from "./pki.ts";
import { type AgentOptions, checkAgentOptions, datapathOf, isChained } from "./agent-options.ts";
import { checkControllerOptions } from "./controller-options.ts";
import { createPrimaryNetwork, removePrimaryNetwork } from "./node/primary-network.ts";
import { checkMachine } from "./requirements.ts";
import { claimLab, runningSupervisor } from "./running.ts";
import { apiNetworkOf, checkSpec, controllerNumber, controllerNumbers, type LabSpec } from "./spec.ts";
import { untilNodesReady } from "./until-nodes-ready.ts";
import type { SupervisedProcess } from "./supervisor/processes.ts";
import { together } from "./together.ts";
import { buildCniExecutable } from "./cni-executable.ts";
import { kubernetesParts, type LabStatus } from "./status.ts";

/** A whole cluster in one process tree. */
export interface Lab {
  readonly spec: LabSpec;
  readonly paths: LabPaths;
  readonly nodes: readonly LabNode[];
  status(): LabStatus;
  /** Ends everything and removes every process, namespace, interface, mount and file of the lab. */
  down(): Promise<void>;
  /** Resolves when somebody asked for {@link Lab.down} through the control socket and it is done. */
  readonly ended: Promise<void>;
}

export interface UpOptions {
  readonly runtime: Runtime;
  readonly spec: LabSpec;
  /** Hears each step as it begins, for people. */
  readonly progress?: (step: string) => void;
  /** Gives the start up: what there is by then is removed, and {@link labUp} rejects with the signal's reason. Has no part in a lab that is up. */
  readonly signal?: AbortSignal;
}

/** Brings a lab up. What an earlier lab of the name left behind is removed first. On failure nothing of it stays but its logs. */
export async function labUp({ runtime, spec, progress = () => {}, signal = new AbortController().signal }: UpOptions): Promise<Lab> {
  checkSpec(spec);
  // An unreadable kubeconfig is told before anything is made.
  if (spec.joins !== undefined) loadKubeconfig(spec.joins);
  const assets = spec.kubeAssets === undefined ? {} : findKubeAssets(spec.kubeAssets);
  checkMachine(datapathOf(spec.agentOptions ?? {}));
  const paths = labPaths(spec.name);
  const owner = runningSupervisor(paths);
  if (owner !== undefined) throw new LabAlreadyRunning(spec.name, owner);
  await together([checkAgentOptions(spec.agentOptions ?? {}, spec), checkControllerOptions(spec.controllerOptions ?? {}, spec)]);
  if (existsSync(paths.root)) {
    progress("removing what an earlier lab of this name left behind");
    await cleanLab({ runtime, name: spec.name });
  }
  await mkdir(paths.logs, { recursive: true, mode: 0o755 });
  claimLab(paths);
  const stopping = new AbortController();
  const giveUp = (): void => stopping.abort(signal.reason);
  signal.addEventListener("abort", giveUp);
  let underWay = Promise.resolve();
  try {
    signal.throwIfAborted();
    const given = new Promise<never>((_, reject) => stopping.signal.addEventListener("abort", () => reject(stopping.signal.reason)));
    const work = bringUp({ runtime, spec, assets, paths, progress, stopping });
    underWay = work.then(
      () => {},
      () => {},
    );
    return await Promise.race([work, given]);
  } catch (error) {
    stopping.abort(error);
    await cleanAfterFailure({ runtime, name: spec.name, keepLogs: !signal.aborted, underWay });
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Longest time that steps under way have to notice that the start was given up: building the images may be one of them. */
const lastSteps = seconds(30);

/** Cleans twice: once to end what the steps under way wait for, once to remove what they made meanwhile. */
async function cleanAfterFailure({
  runtime,
  underWay,
  ...lab
}: {
  readonly runtime: Runtime;
  readonly name: string;
  readonly keepLogs: boolean;
  readonly underWay: Promise<void>;
}): Promise<void> {
  const enough = new AbortController();
  try {
    // What it meets half-made, the second round removes.
    await cleanLab({ runtime, ...lab }).catch(() => {});
    await Promise.race([underWay, sleep(runtime.clock, lastSteps, enough.signal).catch(() => {})]);
    await cleanLab({ runtime, ...lab });
  } catch (error) {
    runtime.logger.error("clean-up after a failed start failed too", { error: errorMessage(error) });
  } finally {
    enough.abort();
  }
}

async function bringUp({
  runtime,
  spec,
  assets,
  paths,
  progress,
  stopping,
}: Required<Omit<UpOptions, "signal">> & {
  readonly assets: KubeAssets;
  readonly paths: LabPaths;
  readonly stopping: AbortController;
}): Promise<Lab> {
  const { signal } = stopping;
  const fabric = { netns: paths.fabricNetns, api: apiNetworkOf(spec) };
  progress("wires: a namespace for the fabric, two networks");
  await createFabric(fabric);
  const open = spec.joins === undefined ? openOwnCluster : openJoinedCluster;
  const cluster = await open({ runtime, paths, spec, assets, signal });
  signal.throwIfAborted();
  if (spec.uplink) await createUplink({ lab: spec.name, fabricNetns: fabric.netns });
  const cniExecutable = await buildCniExecutable();
  signal.throwIfAborted();
  const nodes: LabNode[] = [];
  for (let number = 1; number <= spec.nodes; number++) {
    await createNodePki({ runtime, paths, spec, number });
    nodes.push(createLabNode({ runtime, paths, spec, assets, fabric, number, signal, cniExecutable }));
  }
  const count = `${spec.nodes} node${spec.nodes === 1 ? "" : "s"}`;
  const parts = spec.bare ? "containerd, kubelet" : "Open vSwitch, containerd, kubelet, agent";
  progress(spec.joins === undefined ? `control plane and ${count}: API server, ${parts}` : `${count} for ${cluster.server}: ${parts}`);
  // The first failure ends the other steps too.
  const giveUp = (error: unknown): void => stopping.abort(error);
  // Nodes of a joined cluster need credentials of its making first.
  if (spec.joins !== undefined) await cluster.start();
  const steps = [...(spec.joins === undefined ? [cluster.start()] : []), ...nodes.map((node) => node.start())];
  for (const step of steps) step.catch(giveUp);
  await together(steps);
  progress(spec.bare ? "waiting until every node is registered" : "waiting until every node is ready");
  const names = nodes.map((node) => node.clusterName);
  await untilNodesReady({ runtime, paths, names, registered: spec.bare === true, signal });
  if (spec.joins === undefined) await routeToPods({ runtime, paths, names, signal });
  if (isChained(spec.agentOptions ?? {})) await createPrimaryNetwork({ paths, spec }, names);

  const processes = (): readonly SupervisedProcess[] => [...cluster.processes, ...nodes.flatMap((node) => node.processes)];
  const lab = { over: () => {}, ended: Promise.resolve() };
  lab.ended = new Promise<void>((resolve) => {
    lab.over = resolve;
  });
  let down: Promise<void> | undefined;
  const takeDown = async (): Promise<void> => {
    server.close();
    const complain = (error: unknown): void => runtime.logger.error("the cluster is not left in order", { error: errorMessage(error) });
    await cluster.drain(names).catch(complain);
    await Promise.all(
      nodes.map((node) =>
        node
          .stop()
          .catch((error: unknown) => runtime.logger.error("a node does not stop", { node: node.name, error: errorMessage(error) })),
      ),
    );
    await cluster.forget(names).catch(complain);
    await cluster.stop();
    // Whatever of a node did not stop would be started again behind the clean-up.
    stopping.abort(new Error("the lab is down"));
    await cleanLab({ runtime, name: spec.name });
    lab.over();
  };
  const findNode = (name: string | undefined): LabNode => {
    const node = nodes.find((candidate) => candidate.name === name);
    if (node === undefined)
      throw new InvalidLabOption("node", name ?? "", `is none of ${nodes.map((candidate) => candidate.name).join(", ")}`);
    return node;
  };
  const findController = (name = ""): number => {
    const number = spec.joins === undefined && !spec.bare ? controllerNumber(name) : undefined;
    if (number === undefined || !controllerNumbers(spec).includes(number))
      throw new InvalidLabOption("controller", name, "is none of the lab's controllers: controller, controller-2, …");
    return number;
  };
  const configureAgents = async (wanted: AgentOptions): Promise<void> => {
    // The wires of the nodes are those of one datapath.
    const ovsDatapathType = datapathOf(spec.agentOptions ?? {});
    if (wanted.ovsDatapathType !== undefined && wanted.ovsDatapathType !== ovsDatapathType)
      throw new InvalidLabOption(
        "--agent-config",
        `ovsDatapathType=${datapathOf(wanted)}`,
        `this lab was started with ${ovsDatapathType}; start another`,
      );
    // Agents that would not start again are not ended.
    await checkAgentOptions(wanted, spec);
    const options = { ...wanted, ovsDatapathType };
    if (!isChained(options)) await removePrimaryNetwork(paths, names);
    await together(nodes.map((node) => node.configureAgent(options)));
    if (isChained(options)) await createPrimaryNetwork({ paths, spec }, names);
  };
  const status = (): LabStatus => ({
    name: spec.name,
    kubeconfig: paths.adminKubeconfig,
    server: cluster.server,
    podCidrs: spec.podCidrs,
    serviceCidrs: spec.serviceCidrs,
    uplink: spec.uplink,
    kubernetes: kubernetesParts({ assets, joins: spec.joins }),
    images: "stand-ins built by the lab from Debian packages and its own code, under the usual names",
    nodes: nodes.map((node) => ({ name: node.name, state: node.state })),
    processes: processes().map(({ name, pid, state, restarts }) => ({ name, ...(pid === undefined ? {} : { pid }), state, restarts })),
  });
  const handle = async (request: ControlRequest): Promise<unknown> => {
    switch (request.action) {
      case "status":
        return status();
      case "down":
        down ??= takeDown();
        return { removing: spec.name };
      case "node-start":
        return findNode(request.node).start();
      case "node-stop":
        return findNode(request.node).stop();
      case "node-partition":
        return findNode(request.node).partition();
      case "node-heal":
        return findNode(request.node).heal();
      case "controller-partition":
        return setControllerWire({ fabric, controller: findController(request.controller), state: "down" });
      case "controller-heal":
        return setControllerWire({ fabric, controller: findController(request.controller), state: "up" });
      case "agent-config":
        return configureAgents(request.options ?? {});
      case "image-load":
        return { images: await loadEverywhere(nodes, request.archive ?? "") };
    }
  };
  const server = await serveControl({ socket: paths.controlSocket, handle });
  return {
    spec,
    paths,
    nodes,
    status,
    ended: lab.ended,
    down: () => (down ??= takeDown()),
  };
}

async function loadEverywhere(nodes: readonly LabNode[], archive: string): Promise<readonly string[]> {
  const loaded = await Promise.all(nodes.filter((node) => node.state !== "stopped").map((node) => node.loadImage(archive)));
  return loaded[0] ?? [];
}
