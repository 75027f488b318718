import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { NodePaths } from "../paths.ts";
import { labMark, type SupervisedProcess } from "../supervisor/processes.ts";
import { createRestarts } from "../supervisor/restarts.ts";
import { type Containerd, startContainerd } from "./containerd.ts";

/** The image that sandboxes are made of: one of those the lab builds. */
export const pauseImage = "registry.k8s.io/pause:3.10";

/** A node's containerd, started again whenever it ends; containers go on under their shims meanwhile. */
export function superviseContainerd({
  runtime,
  name,
  paths,
  lab,
  mountsOf,
  signal,
}: {
  readonly runtime: Runtime;
  readonly name: string;
  readonly paths: NodePaths;
  readonly lab: string;
  /** For a bare node: the process that holds its mount namespace. */
  readonly mountsOf?: (() => number | undefined) | undefined;
  readonly signal: AbortSignal;
}): SupervisedProcess {
  const logger = runtime.logger.with({ process: `${name}/containerd` });
  const restarts = createRestarts({ runtime, name: `${name}/containerd` });
  let running: Containerd | undefined;
  let state: SupervisedProcess["state"] = "stopped";
  let wanted = false;
  signal.addEventListener("abort", () => {
    wanted = false;
  });

  const launch = async (): Promise<void> => {
    state = "starting";
    const started = await startContainerd(runtime, {
      directory: paths.containerd,
      netns: `/var/run/netns/${paths.netns}`,
      ...(mountsOf === undefined
        ? { cniConfDir: paths.cniConf, cniBinDir: paths.cniBin }
        : { mountsOf: mountsOf(), cniConfDir: "/etc/cni/net.d", cniBinDir: "/opt/cni/bin" }),
      pauseImage,
      environment: { [labMark]: lab },
    });
    running = started;
    restarts.started();
    state = "running";
    void started.exited.then(async () => {
      if (running === started) running = undefined;
      while (wanted && running === undefined) {
        state = "waiting";
        await restarts.pause("containers go on under their shims");
        if (wanted) await launch().catch((error: unknown) => logger.error("does not come back", { error: errorMessage(error) }));
      }
    });
  };

  return {
    name: `${name}/containerd`,
    get pid() {
      return running?.pid;
    },
    get restarts() {
      return restarts.count;
    },
    get state() {
      return state;
    },
    async start() {
      signal.throwIfAborted();
      if (wanted) return;
      wanted = true;
      await launch();
    },
    async stop() {
      wanted = false;
      await running?.stop();
      running = undefined;
      state = "stopped";
    },
  };
}
