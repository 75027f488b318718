import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { cleanLab } from "./clean-up.ts";
import { apiSocket, controlPlaneProcesses } from "./control-plane.ts";
import { type ControlRequest, serveControl } from "./control-server.ts";
import { InvalidLabOption, LabAlreadyRunning } from "./errors.ts";
import { createFabric } from "./fabric/fabric.ts";
import { createUplink } from "./fabric/uplink.ts";
import { openHostDoor } from "./host-door.ts";
import { createLabNode, type LabNode } from "./node/lab-node.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { createNodePki, createPki } from "./pki.ts";
import { checkMachine } from "./requirements.ts";
import { claimLab, runningSupervisor } from "./running.ts";
import { checkSpec, type LabSpec } from "./spec.ts";
import { untilNodesReady } from "./until-nodes-ready.ts";
import { labMark, type SupervisedProcess } from "./supervisor/processes.ts";
import { installAntrea } from "./install-antrea.ts";
import { buildCniExecutable } from "./cni-executable.ts";
import type { LabStatus } from "./status.ts";

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
}

/** Brings a lab up. What an earlier lab of the name left behind is removed first. On failure nothing of it stays. */
export async function labUp({ runtime, spec, progress = () => {} }: UpOptions): Promise<Lab> {
  checkSpec(spec);
  checkMachine();
  const paths = labPaths(spec.name);
  const owner = runningSupervisor(paths);
  if (owner !== undefined) throw new LabAlreadyRunning(spec.name, owner);
  if (existsSync(paths.root)) {
    progress("removing what an earlier lab of this name left behind");
    await cleanLab({ runtime, name: spec.name });
  }
  process.env[labMark] = spec.name;
  await mkdir(paths.logs, { recursive: true, mode: 0o755 });
  claimLab(paths);
  const stopping = new AbortController();
  try {
    return await bringUp({ runtime, spec, paths, progress, signal: stopping.signal });
  } catch (error) {
    stopping.abort();
    await cleanLab({ runtime, name: spec.name, keepLogs: true }).catch((cleanError: unknown) =>
      runtime.logger.error("clean-up after a failed start failed too", { error: errorMessage(cleanError) }),
    );
    throw error;
  }
}

async function bringUp({
  runtime,
  spec,
  paths,
  progress,
  signal,
}: Required<UpOptions> & { readonly paths: LabPaths; readonly signal: AbortSignal }): Promise<Lab> {
  const fabric = { netns: paths.fabricNetns };
  progress("wires: a namespace for the fabric, two networks");
  const host = await openHostDoor({ socket: apiSocket(paths) });
  // An open port would keep this process alive after a start that failed.
  signal.addEventListener("abort", () => host.close());
  await Promise.all([createFabric(fabric), createPki({ runtime, paths, spec, hostPort: host.port })]);
  if (spec.uplink) await createUplink({ lab: spec.name, fabricNetns: fabric.netns });
  const cniExecutable = await buildCniExecutable();
  const nodes: LabNode[] = [];
  for (let number = 1; number <= spec.nodes; number++) {
    await createNodePki({ runtime, paths, spec, number });
    nodes.push(createLabNode({ runtime, paths, spec, fabric, number, signal, cniExecutable }));
  }
  const controlPlane = controlPlaneProcesses({ runtime, paths, spec, signal });
  progress(`control plane and ${spec.nodes} node${spec.nodes === 1 ? "" : "s"}: API server, Open vSwitch, containerd, kubelet, agent`);
  const control = async (): Promise<void> => {
    await controlPlane.apiServer.start();
    await installAntrea({ runtime, paths });
    await Promise.all([controlPlane.controllers.start(), controlPlane.antreaController.start()]);
  };
  const controlPlaneUp = control();
  await Promise.all([controlPlaneUp, ...nodes.map((node) => node.start())]);
  progress("waiting until every node is ready");
  await untilNodesReady({ runtime, paths, names: nodes.map((node) => node.name) });

  const processes = (): readonly SupervisedProcess[] => [
    controlPlane.apiServer,
    controlPlane.controllers,
    controlPlane.antreaController,
    ...nodes.flatMap((node) => node.processes),
  ];
  const lab = { over: () => {}, ended: Promise.resolve() };
  lab.ended = new Promise<void>((resolve) => {
    lab.over = resolve;
  });
  let down: Promise<void> | undefined;
  const takeDown = async (): Promise<void> => {
    server.close();
    await Promise.all(
      nodes.map((node) =>
        node
          .stop()
          .catch((error: unknown) => runtime.logger.error("a node does not stop", { node: node.name, error: errorMessage(error) })),
      ),
    );
    await Promise.all([controlPlane.antreaController.stop(), controlPlane.controllers.stop()]);
    await controlPlane.apiServer.stop();
    host.close();
    await cleanLab({ runtime, name: spec.name });
    lab.over();
  };
  const findNode = (name: string | undefined): LabNode => {
    const node = nodes.find((candidate) => candidate.name === name);
    if (node === undefined)
      throw new InvalidLabOption("NAME", name ?? "", `is none of ${nodes.map((candidate) => candidate.name).join(", ")}`);
    return node;
  };
  const status = (): LabStatus => ({
    name: spec.name,
    kubeconfig: paths.adminKubeconfig,
    server: `https://127.0.0.1:${host.port}`,
    podCidrs: spec.podCidrs,
    serviceCidrs: spec.serviceCidrs,
    uplink: spec.uplink,
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
