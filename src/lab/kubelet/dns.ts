import { readFile } from "node:fs/promises";
import type { messages, Sent } from "#lib/cri/index.ts";
import type { KubeletConfig } from "./config.ts";
import type { KubeletPod } from "./pod.ts";

type DnsConfig = Sent<typeof messages.DnsConfig>;

/** Name servers of the node itself. */
const nodeResolvConf = "/etc/resolv.conf";

/**
 * `dnsPolicy` and `dnsConfig` as Kubernetes defines them. `ClusterFirst` in a cluster without a DNS service, and for host-network
 * pods, is `Default`: the node's own name servers.
 */
export async function dnsConfigOf(config: KubeletConfig, pod: KubeletPod): Promise<DnsConfig> {
  const { dnsPolicy = "ClusterFirst", dnsConfig, hostNetwork } = pod.spec;
  const clusterFirst = dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && hostNetwork !== true);
  const base = dnsPolicy === "None" ? {} : clusterFirst && config.clusterDns.length > 0 ? clusterDns(config, pod) : await nodeDns();
  return {
    servers: unique([...(base.servers ?? []), ...(dnsConfig?.nameservers ?? [])]),
    searches: unique([...(base.searches ?? []), ...(dnsConfig?.searches ?? [])]),
    options: unique([
      ...(base.options ?? []),
      ...(dnsConfig?.options ?? []).map(({ name, value }) => (value === undefined ? name : `${name}:${value}`)),
    ]),
  };
}

function clusterDns({ clusterDns: servers, clusterDomain }: KubeletConfig, pod: KubeletPod): DnsConfig {
  const searches = [`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { servers, searches, options: ["ndots:5"] };
}

async function nodeDns(): Promise<DnsConfig> {
  return parseResolvConf(await readFile(nodeResolvConf, "utf8").catch(() => ""));
}

/** Reads resolv.conf(5). Unknown lines are passed over, as the resolver does. */
export function parseResolvConf(text: string): { readonly servers: string[]; readonly searches: string[]; readonly options: string[] } {
  const words = text.split("\n").map((line) =>
    line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/),
  );
  const of = (keyword: string): string[][] => words.filter(([first]) => first === keyword).map(([, ...rest]) => rest);
  return {
    servers: of("nameserver").flatMap(([server]) => server ?? []),
    // the last search or domain line counts
    searches:
      words
        .filter(([first]) => first === "search" || first === "domain")
        .at(-1)
        ?.slice(1) ?? [],
    options: of("options").flat(),
  };
}

const unique = (values: readonly string[]): string[] => [...new Set(values)];
