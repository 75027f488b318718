import { InvalidConfig } from "#lib/config-file/index.ts";
import { type ClientConfig, createKubeClient, inClusterConfig, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import type { AgentConfig } from "./config.ts";
import { version } from "./version.ts";

interface Connecting {
  readonly config: Pick<AgentConfig, "clientConnection.kubeconfig" | "antreaClientConnection.kubeconfig" | "kubeAPIServerOverride">;
  /** Names the configuration in errors. */
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** The Kubernetes API: by `clientConnection.kubeconfig`, else as a Pod; `kubeAPIServerOverride` replaces the server. */
export function connectKubernetes({ config, configFile, environment }: Connecting): KubeClient {
  const kubeconfig = config["clientConnection.kubeconfig"];
  const client = kubeconfig === "" ? inClusterConfig(environment) : loadKubeconfig(kubeconfig);
  if (client === undefined) {
    throw new InvalidConfig(configFile, "clientConnection.kubeconfig", "is empty and this is no Pod; name a kubeconfig file");
  }
  return create(config.kubeAPIServerOverride === "" ? client : { ...client, server: serverOf(config.kubeAPIServerOverride, configFile) });
}

/** antrea-controller: by `antreaClientConnection.kubeconfig`, else through the Kubernetes API, which passes its group on. */
export function connectController(connecting: Connecting, kubernetes: KubeClient): KubeClient {
  const kubeconfig = connecting.config["antreaClientConnection.kubeconfig"];
  return kubeconfig === "" ? kubernetes : create(loadKubeconfig(kubeconfig));
}

const create = (config: ClientConfig): KubeClient => createKubeClient({ config, userAgent: `antrea-agent/${version}` });

/** A host, host:port or URL; https unless the URL says otherwise. */
function serverOf(override: string, configFile: string): string {
  const text = override.includes("://")
    ? override
    : `https://${override.includes("::") && !override.startsWith("[") ? `[${override}]` : override}`;
  if (!URL.canParse(text))
    throw new InvalidConfig(configFile, "kubeAPIServerOverride", `${JSON.stringify(override)} is no host, host:port or URL`);
  return text.replace(/\/+$/, "");
}
