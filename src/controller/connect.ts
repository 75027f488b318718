import { readFileSync } from "node:fs";
import { InvalidConfig } from "#lib/config-file/index.ts";
import { createKubeClient, inClusterConfig, type KubeClient, loadKubeconfig } from "#lib/kube/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { ControllerConfig } from "./config.ts";
import { version } from "./version.ts";

/** The Kubernetes API: by `clientConnection.kubeconfig`, else as a Pod; `kubeAPIServerOverride` replaces the server. Throws {@link InvalidConfig}. */
export function connectKubernetes(options: {
  readonly values: ControllerConfig["values"];
  readonly configFile: string;
  readonly environment: NodeJS.ProcessEnv;
}): KubeClient {
  const { values, configFile, environment } = options;
  const kubeconfig = values["clientConnection.kubeconfig"];
  const config = kubeconfig === "" ? inClusterConfig(environment) : loadKubeconfig(kubeconfig);
  if (config === undefined)
    throw new InvalidConfig(configFile, "clientConnection.kubeconfig", "is empty and this is no Pod; name a kubeconfig file");
  const override = values.kubeAPIServerOverride;
  const server = override === "" ? {} : { server: serverOf(override, configFile) };
  return createKubeClient({ config: { ...config, ...server }, userAgent: `antrea-controller/${version}` });
}

/** The authorities of `clientCAFile`; undefined when the key is empty. Throws {@link InvalidConfig}. */
export function readClientCa(file: string, configFile: string): string | undefined {
  if (file === "") return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new InvalidConfig(configFile, "clientCAFile", `cannot be read: ${errorMessage(error)}`);
  }
}

/** A host, host:port or URL; https unless the URL says otherwise. */
function serverOf(override: string, configFile: string): string {
  const isBareV6 = override.includes("::") && !override.startsWith("[");
  const text = override.includes("://") ? override : `https://${isBareV6 ? `[${override}]` : override}`;
  if (!URL.canParse(text))
    throw new InvalidConfig(configFile, "kubeAPIServerOverride", `${JSON.stringify(override)} is no host, host:port or URL`);
  return text.replace(/\/+$/, "");
}
