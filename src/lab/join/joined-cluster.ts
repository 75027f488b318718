import { join } from "node:path";
import { apiServices, isNotFound, type KubeClient } from "#lib/kube/index.ts";
import { adminClient } from "../admin-client.ts";
import type { ClusterOptions, LabCluster } from "../cluster.ts";
import { apiSocket, controllerEnvironment } from "../control-plane.ts";
import { createWire, removeWire } from "../fabric/wire.ts";
import { installAntrea } from "../install-antrea.ts";
import { createJoiningPki } from "../pki.ts";
import { program } from "../programs.ts";
import { apiNetworkOf, apiServerPort, controllerName, firstAddress } from "../spec.ts";
import { type SupervisedProcess, supervise } from "../supervisor/processes.ts";
import { certifyNodes } from "./certify-nodes.ts";
import { joinCluster, writeJoinedKubeconfig } from "./join-cluster.ts";
import { drainNodes, removeNodes } from "./leave.ts";
import { keepServiceAccountToken } from "./service-account-token.ts";

/**
 * Somebody else's cluster: the wire and the door to it, and what of the product it lacks. Where `antrea-controller` is not installed yet, the lab
 * brings its rights, its Service and the controller itself, and takes them away when it leaves.
 */
export async function openJoinedCluster({ runtime, paths, spec, signal }: ClusterOptions): Promise<LabCluster> {
  await createJoiningPki({ runtime, paths, spec });
  const network = apiNetworkOf(spec);
  await createWire({ spec, fabricNetns: paths.fabricNetns, network });
  const { server, door } = await joinCluster({ paths, spec });
  signal.addEventListener("abort", () => door.close());
  // What is renewed time and again is so until the lab goes down.
  const ending = new AbortController();
  const whileUp = AbortSignal.any([signal, ending.signal]);
  const client = adminClient(paths);
  const process = (name: "lab-door" | "antrea-controller", args: readonly string[], env: NodeJS.ProcessEnv = {}): SupervisedProcess => {
    const { command, args: programArgs } = program(name, spec);
    return supervise({
      runtime,
      lab: spec.name,
      signal,
      spec: {
        name,
        command,
        args: [...programArgs, ...args],
        env,
        netns: paths.fabricNetns,
        logFile: join(paths.logs, `${name}.log`),
        ready: () => Promise.resolve(),
      },
    });
  };
  const inner = process("lab-door", ["--listen", `${firstAddress(network).v4}:${apiServerPort}`, "--to", apiSocket(paths)]);
  const controller = process("antrea-controller", ["--config", paths.controller(1).config], controllerEnvironment(controllerName(1)));
  const brings = !spec.bare && !(await isInstalled(client));
  let uninstall = (): Promise<void> => Promise.resolve();

  /** The process of that name comes as the service account that `deploy/antrea.yml` gives it. */
  const comeAs = async (name: string): Promise<void> => {
    const tokenFile = join(paths.pki, `${name}.token`);
    // Whoever reads it takes the token of the moment from that file.
    await writeJoinedKubeconfig({ paths, spec, user: name, credentials: { tokenFile } });
    await keepServiceAccountToken({ runtime, client, name, file: tokenFile, signal: whileUp });
  };
  return {
    server,
    processes: [inner, ...(brings ? [controller] : [])],
    async start() {
      await inner.start();
      await certifyNodes({ runtime, client, paths, spec, signal: whileUp });
      if (spec.bare) return;
      if (brings) ({ uninstall } = await installAntrea({ runtime, paths, spec, signal }));
      await comeAs("antrea-agent");
      if (!brings) return;
      await comeAs("antrea-controller");
      await controller.start();
    },
    drain: (names) => drainNodes({ runtime, client, names }),
    async forget(names) {
      await removeNodes({ client, names });
      await uninstall();
    },
    async stop() {
      ending.abort(new Error("the lab goes down"));
      await controller.stop();
      await inner.stop();
      client.close();
      door.close();
      await removeWire({ spec });
    },
  };
}

async function isInstalled(client: KubeClient): Promise<boolean> {
  try {
    await client.get(apiServices, { name: "v1beta2.controlplane.antrea.io" });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
