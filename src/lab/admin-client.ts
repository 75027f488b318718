import { createKubeClient, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import { apiSocket } from "./control-plane.ts";
import type { LabPaths } from "./paths.ts";

/** The lab's API as its administrator, over the API server's Unix socket: works from the host's own network, where the lab's is not. */
export function adminClient(paths: LabPaths): KubeClient {
  const config = loadKubeconfig(paths.adminKubeconfig);
  return createKubeClient({ config: { ...config, socketPath: apiSocket(paths), tlsServerName: config.tlsServerName ?? "localhost" } });
}
