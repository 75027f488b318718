import { InvalidConfig } from "#lib/config-file/errors.ts";
import { type ClientConfig, createKubeClient, inClusterConfig, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";

export interface KubernetesConnection {
  readonly config: { readonly "clientConnection.kubeconfig": string; readonly kubeAPIServerOverride: string };
  /** Names the configuration in errors. */
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly userAgent: string;
}

/**
 * The Kubernetes API: by `clientConnection.kubeconfig`, else as a Pod; `kubeAPIServerOverride` replaces the server. Throws {@link InvalidConfig},
 * InvalidKubeconfig.
 */
export function connectKubernetes({ userAgent, ...connection }: KubernetesConnection): KubeClient {
  return createKubeClient({ config: kubernetesConfig(connection), userAgent });
}

/** Where the Kubernetes API is, and as whom one comes. Throws as {@link connectKubernetes}. */
export function kubernetesConfig({ config, configFile, environment }: Omit<KubernetesConnection, "userAgent">): ClientConfig {
  const kubeconfig = config["clientConnection.kubeconfig"];
  const found = kubeconfig === "" ? inClusterConfig(environment) : loadKubeconfig(kubeconfig);
  if (found === undefined)
    throw new InvalidConfig(configFile, "clientConnection.kubeconfig", "is empty and this is no Pod; name a kubeconfig file");
  const override = config.kubeAPIServerOverride;
  return override === "" ? found : { ...found, server: serverOf(override, configFile) };
}

/** A host, host:port or URL; https unless the URL says otherwise. */
function serverOf(override: string, configFile: string): string {
  const isBareV6 = override.includes("::") && !override.startsWith("[");
  const text = override.includes("://") ? override : `https://${isBareV6 ? `[${override}]` : override}`;
  if (!URL.canParse(text))
    throw new InvalidConfig(configFile, "kubeAPIServerOverride", `${JSON.stringify(override)} is no host, host:port or URL`);
  return text.replace(/\/+$/, "");
}
