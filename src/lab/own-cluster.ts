import type { ClusterOptions, LabCluster } from "./cluster.ts";
import { apiSocket, controlPlaneProcesses } from "./control-plane.ts";
import { openDoor } from "./door/door.ts";
import { plugController } from "./fabric/fabric.ts";
import { installAntrea } from "./install-antrea.ts";
import { installDns } from "./install-dns.ts";
import { createPki } from "./pki.ts";
import { apiNetworkOf, controllerNumbers } from "./spec.ts";
import { together } from "./together.ts";

/** A cluster of the lab's own, by its own programs or real ones. A bare lab's has nothing of the product. */
export async function openOwnCluster({ runtime, paths, spec, assets, signal }: ClusterOptions): Promise<LabCluster> {
  const host = await openDoor({ listen: { host: "127.0.0.1", port: 0 }, to: { path: apiSocket(paths) } });
  // An open port would keep this process alive after a start that failed.
  signal.addEventListener("abort", () => host.close());
  if (signal.aborted) host.close();
  if (!spec.bare)
    for (const controller of controllerNumbers(spec))
      await plugController({
        fabric: { netns: paths.fabricNetns, api: apiNetworkOf(spec) },
        netns: paths.controller(controller).netns,
        controller,
      });
  await createPki({ runtime, paths, spec, hostPort: host.port });
  const { api, controllers, antreaControllers } = controlPlaneProcesses({ runtime, paths, spec, assets, signal });
  const others = [...controllers, ...(spec.bare ? [] : antreaControllers)];
  return {
    server: `https://127.0.0.1:${host.port}`,
    processes: [...api, ...others],
    async start() {
      for (const process of api) await process.start();
      if (!spec.bare) await installAntrea({ runtime, paths, spec, signal });
      if (spec.clusterDns) await installDns({ runtime, paths, spec, signal });
      await together(others.map((process) => process.start()));
    },
    // It ends with its nodes: nobody is left to tell.
    drain: () => Promise.resolve(),
    forget: () => Promise.resolve(),
    async stop() {
      await Promise.all(others.map((process) => process.stop()));
      for (const process of [...api].reverse()) await process.stop();
      host.close();
    },
  };
}
