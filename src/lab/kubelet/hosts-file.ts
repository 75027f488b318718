import { readFile } from "node:fs/promises";
import type { KubeletConfig } from "./config.ts";
import type { KubeletPod } from "./pod.ts";
import { hostnameOf } from "./sandbox-config.ts";

/** What `/etc/hosts` of the pod's containers says. Host-network pods see the node's own file, with their aliases below. */
export async function hostsFile(config: KubeletConfig, pod: KubeletPod, podIps: readonly string[]): Promise<string> {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}`);
  const added = aliases.length === 0 ? [] : ["", "# Entries added by HostAliases.", ...aliases];
  if (pod.spec.hostNetwork === true) {
    const own = await readFile("/etc/hosts", "utf8").catch(() => "127.0.0.1\tlocalhost\n");
    return `${[own.trimEnd(), ...added].join("\n")}\n`;
  }
  const name = hostnameOf(pod);
  const { subdomain } = pod.spec;
  const names = subdomain === undefined ? name : `${name}.${subdomain}.${pod.metadata.namespace}.svc.${config.clusterDomain}\t${name}`;
  return `${[
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...podIps.map((ip) => `${ip}\t${names}`),
    ...added,
  ].join("\n")}\n`;
}
