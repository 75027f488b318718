import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ClientConfig, configMaps, createKubeClient, isNotFound, loadKubeconfig } from "#lib/kube/index.ts";
import { apiSocket } from "../control-plane.ts";
import { type Door, openDoor } from "../door/door.ts";
import { InvalidLabOption } from "../errors.ts";
import { type Credentials, formatKubeconfig } from "../kubeconfig-file.ts";
import type { LabPaths } from "../paths.ts";
import { apiNetworkOf, apiServerPort, firstAddress, type LabSpec, nodeName } from "../spec.ts";

/** Somebody else's API server, as the lab reaches it. */
export interface JoinedCluster {
  readonly server: string;
  /** From {@link apiSocket} to the server. */
  readonly door: Door;
}

/** The port of URLs without one. */
const httpsPort = 443;

/**
 * Opens the way to the cluster of the kubeconfig `spec.joins`: kubeconfigs for the lab and its kubelets, who come as the user of that file until
 * the cluster knows them (certify-nodes.ts), and the authority by which kubelets know the API server. Throws InvalidLabOption, InvalidKubeconfig, or what the API says.
 */
export async function joinCluster({ paths, spec }: { readonly paths: LabPaths; readonly spec: LabSpec }): Promise<JoinedCluster> {
  const config = loadKubeconfig(spec.joins ?? "");
  const url = new URL(config.server);
  if (url.protocol !== "https:")
    throw new InvalidLabOption("--kubeconfig", spec.joins ?? "", `its server is ${config.server}: nodes need https`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const credentials = credentialsOf(config);
  await writeFile(paths.adminKubeconfig, kubeconfigOf(config, { server: config.server, host, credentials, user: "admin" }), {
    mode: 0o600,
  });
  for (let number = 1; number <= spec.nodes; number++) {
    const user = `kubelet-${nodeName(number)}`;
    await writeFile(paths.kubeconfig(user), kubeconfigOf(config, { server: insideUrl(spec), host, credentials, user }), { mode: 0o600 });
  }
  const door = await openDoor({ listen: { path: apiSocket(paths) }, to: { host, port: Number(url.port || httpsPort) } });
  try {
    await writeFile(join(paths.pki, "cluster-client-ca.crt"), await clientAuthority(config, spec));
  } catch (error) {
    door.close();
    throw error;
  }
  return { server: config.server, door };
}

/** A kubeconfig by which a process of the lab comes to the joined API server, through the door, with credentials of its own. */
export async function writeJoinedKubeconfig(options: {
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly user: string;
  readonly credentials: Credentials;
}): Promise<void> {
  const { paths, spec, user, credentials } = options;
  const config = loadKubeconfig(spec.joins ?? "");
  const host = new URL(config.server).hostname.replace(/^\[|\]$/g, "");
  const text = kubeconfigOf(config, { server: insideUrl(spec), host, credentials, user });
  await writeFile(paths.kubeconfig(user), text, { mode: 0o600 });
}

/** Where the door in the fabric's namespace listens. */
const insideUrl = (spec: LabSpec): string => `https://${firstAddress(apiNetworkOf(spec)).v4}:${apiServerPort}`;

function kubeconfigOf(
  config: ClientConfig,
  options: { readonly server: string; readonly host: string; readonly credentials: Credentials; readonly user: string },
): string {
  const { server, host, credentials, user } = options;
  return formatKubeconfig({
    server,
    cluster: "joined",
    user,
    authority: config.ca,
    tlsServerName: config.tlsServerName ?? host,
    credentials,
  });
}

function credentialsOf({ certificate, key, token }: ClientConfig): Credentials {
  return certificate === undefined ? { token: token?.() } : { certificate, key };
}

/** The authority (PEM) of client certificates in the cluster, which every API server publishes for servers behind it. */
async function clientAuthority(config: ClientConfig, spec: LabSpec): Promise<string> {
  const client = createKubeClient({ config });
  try {
    const { data } = await client.get(configMaps, { namespace: "kube-system", name: "extension-apiserver-authentication" });
    const authority = data?.["client-ca-file"];
    if (authority === undefined)
      throw new InvalidLabOption(
        "--kubeconfig",
        spec.joins ?? "",
        "its API server publishes no client-ca-file by which kubelets could know it",
      );
    return authority;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new InvalidLabOption(
      "--kubeconfig",
      spec.joins ?? "",
      "its API server has no ConfigMap kube-system/extension-apiserver-authentication",
    );
  } finally {
    client.close();
  }
}
