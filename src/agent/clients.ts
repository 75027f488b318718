import { connectKubernetes, kubernetesConfig, version } from "#lib/daemon/index.ts";
import { createKubeClient, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { AgentConfig } from "./config.ts";
import { discoverControllers } from "./controllers/discover.ts";
import { type ControllerReplicas, oneController } from "./controllers/replicas.ts";

/** The APIs that the agent is a client of. */
export interface Clients {
  readonly kubernetes: KubeClient;
  /** antrea-controller: the one of `antreaClientConnection.kubeconfig`, else all that the Kubernetes API tells of. */
  readonly controllers: ControllerReplicas;
  close(): void;
}

/** Connects as configured. Throws InvalidConfig, InvalidKubeconfig. */
export function connectClients(connecting: {
  readonly runtime: Runtime;
  readonly config: Pick<AgentConfig, "clientConnection.kubeconfig" | "antreaClientConnection.kubeconfig" | "kubeAPIServerOverride">;
  /** Names the configuration in errors. */
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}): Clients {
  const { runtime, environment, signal } = connecting;
  const userAgent = `antrea-agent/${version}`;
  const kubernetes = connectKubernetes({ ...connecting, userAgent });
  const kubeconfig = connecting.config["antreaClientConnection.kubeconfig"];
  if (kubeconfig !== "") {
    const controller = createKubeClient({ config: loadKubeconfig(kubeconfig), userAgent });
    return {
      kubernetes,
      controllers: oneController(controller),
      close() {
        kubernetes.close();
        controller.close();
      },
    };
  }
  const namespace = environment.POD_NAMESPACE || "kube-system";
  const controllers = discoverControllers({ runtime, kubernetes, identity: kubernetesConfig(connecting), namespace, userAgent, signal });
  return {
    kubernetes,
    controllers,
    close() {
      kubernetes.close();
      controllers.close();
    },
  };
}
