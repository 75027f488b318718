import type { Prefix } from "#lib/ip/index.ts";
import { type IpAddress, tryParseAddress } from "#lib/ip/index.ts";
import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { DnsServer } from "./resolver.ts";

/** Where every distribution has the cluster's DNS. */
const clusterDnsService = "kube-system/kube-dns";
const serviceNameLabel = "kubernetes.io/service-name";
const port53 = 53;

export interface ClusterDns {
  /** Servers for the agent's own questions, the preferred one first. */
  servers(): readonly DnsServer[];
  /**
   * Whether a server's answers are believed: a pod that is the endpoint of no Service with port 53 is no server, whatever it says. Servers outside of the
   * pods' blocks are, and all until the endpoints are known.
   */
  trusts(server: IpAddress): boolean;
}

/** The cluster's DNS: what the configuration names, else endpoints and address of the Service kube-dns, else what the node itself uses. */
export function followClusterDns(options: {
  /** `dnsServerOverride`: an address or `address:port`; empty: none. */
  readonly override: string;
  readonly services: ReadTable<Service>;
  readonly slices: ReadTable<EndpointSlice>;
  /** Blocks that pods of the cluster have their addresses from. */
  readonly podBlocks: () => Iterable<Prefix>;
  /** Of the node's own resolver, such as `10.96.0.10` or `[fd00::1]:5353`. */
  readonly systemServers: () => readonly string[];
}): ClusterDns {
  const { override, services, slices, podBlocks, systemServers } = options;
  /** Endpoints that serve port 53, counted by the slices that have them. */
  const endpoints = new Map<string, number>();
  const count = (slice: EndpointSlice | undefined, by: 1 | -1): void => {
    for (const address of slice === undefined ? [] : dnsEndpoints(slice)) {
      const left = (endpoints.get(address) ?? 0) + by;
      if (left > 0) endpoints.set(address, left);
      else endpoints.delete(address);
    }
  };
  slices.subscribe(
    ({ before, after }) => {
      count(before, -1);
      count(after, 1);
    },
    { replay: true },
  );
  return {
    servers() {
      if (override !== "") return [serverOf(override)];
      const ready = [...slices.rows()].filter(isOfClusterDns).flatMap((slice) => dnsEndpoints(slice, { ready: true }));
      const virtual = services.get(clusterDnsService)?.spec?.clusterIPs ?? [];
      const found = [...ready, ...virtual].filter((address) => tryParseAddress(address) !== undefined);
      return found.length > 0 ? found.map((address) => ({ address, port: port53 })) : systemServers().map(serverOf);
    },
    trusts(server) {
      if (!slices.synced || endpoints.has(String(server))) return true;
      for (const block of podBlocks()) if (block.contains(server)) return false;
      return true;
    },
  };
}

const isOfClusterDns = ({ metadata }: EndpointSlice): boolean =>
  `${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}` === clusterDnsService;

/** Addresses of a slice that serve port 53, in the one form that addresses have as text. */
function dnsEndpoints({ endpoints, ports }: EndpointSlice, { ready = false } = {}): string[] {
  if (!ports?.some(({ port }) => port === port53)) return [];
  return (endpoints ?? [])
    .filter(({ conditions }) => !ready || conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.map((text) => String(tryParseAddress(text) ?? text)));
}

/** `host`, `host:port`, IPv6 in brackets where a port follows. */
function serverOf(text: string): DnsServer {
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([^:]+):(\d+)$/.exec(text);
  return { address: match?.[1] ?? text, port: Number(match?.[2] ?? port53) };
}
