import { connectKubernetes, version } from "#lib/daemon/index.ts";
import { createKubeClient, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import type { AgentConfig } from "./config.ts";

/** The two APIs that the agent is a client of. */
export interface Clients {
  readonly kubernetes: KubeClient;
  /** antrea-controller: by `antreaClientConnection.kubeconfig`, else through the Kubernetes API, which passes its group on. */
  readonly controller: KubeClient;
  close(): void;
}

/** Connects as configured. Throws InvalidConfig, InvalidKubeconfig. */
export function connectClients(connecting: {
  readonly config: Pick<AgentConfig, "clientConnection.kubeconfig" | "antreaClientConnection.kubeconfig" | "kubeAPIServerOverride">;
  /** Names the configuration in errors. */
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
}): Clients {
  const userAgent = `antrea-agent/${version}`;
  const kubernetes = connectKubernetes({ ...connecting, userAgent });
  const kubeconfig = connecting.config["antreaClientConnection.kubeconfig"];
  const controller = kubeconfig === "" ? kubernetes : createKubeClient({ config: loadKubeconfig(kubeconfig), userAgent });
  return {
    kubernetes,
    controller,
    close() {
      kubernetes.close();
      if (controller !== kubernetes) controller.close();
    },
  };
}
