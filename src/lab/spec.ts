import { type IpAddress, parseAddress, Prefix, tryParsePrefix } from "#lib/ip/index.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { ControllerOptions } from "./controller-options.ts";
import { InvalidLabOption } from "./errors.ts";

/** What `antctl lab up` was asked for. */
export interface LabSpec {
  /** Names the lab, its namespaces and its folder. */
  readonly name: string;
  /** How many nodes to start with; 0 makes a cluster whose nodes come from elsewhere. */
  readonly nodes: number;
  /** One or two prefixes, at most one per family; each node gets a /24 and a /64 of them. */
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  /** NAT to the host's network, so that pods reach what the host reaches. */
  readonly uplink: boolean;
  /** A name server for the cluster, as a Deployment in it; pods of `dnsPolicy: ClusterFirst` ask it. */
  readonly clusterDns?: boolean;
  /** Run the daemons from TypeScript instead of from their bundles. */
  readonly fromSource: boolean;
  /** A kubeconfig: the lab has no Kubernetes of its own, and its nodes join that cluster. */
  readonly joins?: string;
  /** The network namespace that the joined cluster's API server runs in; absent = the host's. */
  readonly apiNetns?: string;
  /** Nodes with container runtime and kubelet alone: the product is installed by `kubectl apply`, as its Pods. */
  readonly bare?: boolean;
  /** Folder of real Kubernetes binaries to run instead of the lab's own. */
  readonly kubeAssets?: string;
  /** How many antrea-controllers there are; 1 when absent. */
  readonly controllers?: number;
  /** What the agents are configured with beyond what the lab needs. */
  readonly agentOptions?: AgentOptions;
  /** The same for the controllers. */
  readonly controllerOptions?: ControllerOptions;
}

export const defaultPodCidrs = ["10.10.0.0/16", "fd00:10:10::/56"];
export const defaultServiceCidrs = ["10.96.0.0/16", "fd00:10:96::/112"];

/** Most nodes of one lab: their addresses stand in one /24. */
export const maxNodes = 200;

/** The network that nodes and the API server share, apart from Open vSwitch. */
export const apiNetwork = { v4: new Prefix(parseAddress("172.30.0.0"), 24), v6: new Prefix(parseAddress("fd00:172:30::"), 64) };
/** The same for nodes under somebody else's API server, which may be another lab's. */
const joiningNetwork = { v4: new Prefix(parseAddress("172.30.128.0"), 24), v6: new Prefix(parseAddress("fd00:172:30:80::"), 64) };
/** The network that tunnels between nodes cross. */
export const transportNetwork = { v4: new Prefix(parseAddress("172.31.0.0"), 24), v6: new Prefix(parseAddress("fd00:172:31::"), 64) };
/** Most controllers of one lab: their addresses are between the API server's and the first node's. */
export const maxControllers = 8;
/** Where the API server listens for nodes: the first address of {@link apiNetwork}. */
export const apiServerPort = 6443;
export const controllerPort = 10349;
/** Nodes are numbered from 1; node n has address n + 10 in both networks. */
const firstNodeHost = 10n;

export interface AddressPair {
  readonly v4: IpAddress;
  readonly v6: IpAddress;
}

export type Network = typeof apiNetwork;

export const firstAddress = (network: Network): AddressPair => ({ v4: network.v4.address.plus(1n), v6: network.v6.address.plus(1n) });

export const nodeAddress = (network: Network, node: number): AddressPair => ({
  v4: network.v4.address.plus(firstNodeHost + BigInt(node)),
  v6: network.v6.address.plus(firstNodeHost + BigInt(node)),
});

/** Controllers are numbered from 1; the first address of the network is the API server's. */
export const controllerAddress = (network: Network, controller: number): AddressPair => ({
  v4: network.v4.address.plus(1n + BigInt(controller)),
  v6: network.v6.address.plus(1n + BigInt(controller)),
});

/** The numbers of a lab's controllers. */
export const controllerNumbers = ({ controllers = 1 }: Pick<LabSpec, "controllers">): readonly number[] =>
  Array.from({ length: controllers }, (_, index) => index + 1);

/** `antrea-controller`, `antrea-controller-2`, …: how processes, folders and Pods of controllers are called. */
export const controllerName = (controller: number): string => (controller === 1 ? "antrea-controller" : `antrea-controller-${controller}`);

/** Reads `controller` or `controller-2`; undefined when it is no controller's name. */
export function controllerNumber(name: string): number | undefined {
  const match = /^controller(?:-([1-8]))?$/.exec(name);
  return match === null ? undefined : Number(match[1] ?? 1);
}

/** The network that this lab's nodes have their addresses in. */
export const apiNetworkOf = (spec: Pick<LabSpec, "joins">): Network => (spec.joins === undefined ? apiNetwork : joiningNetwork);

/** How the cluster calls node `node`: a joined cluster has other nodes, of other labs perhaps. */
export const clusterNodeName = (spec: Pick<LabSpec, "joins" | "name">, node: number): string =>
  spec.joins === undefined ? nodeName(node) : `${spec.name}-${node}`;

export const nodeName = (node: number): string => `node-${node}`;

/** Reads `node-3`; undefined when it is no node's name. */
export function nodeNumber(name: string): number | undefined {
  const match = /^node-([1-9]\d{0,2})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Checks the name of a lab: it is part of paths and names of all that the lab makes, and of what is removed with it. Throws {@link InvalidLabOption}. */
export function checkLabName(name: string): void {
  if (!/^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/.test(name))
    throw new InvalidLabOption("--name", name, "use at most 20 lower-case letters, digits and dashes, no dash at either end");
}

/** Reads the value of `--nodes`. Throws {@link InvalidLabOption} with what was typed. */
export function parseNodeCount(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw wrongNodeCount(text);
  return Number(text);
}

/** Reads the value of `--controllers`. Throws {@link InvalidLabOption} with what was typed. */
export function parseControllerCount(text: string): number {
  if (!/^\d$/.test(text)) throw wrongControllerCount(text);
  return Number(text);
}

const wrongControllerCount = (text: string): InvalidLabOption =>
  new InvalidLabOption("--controllers", text, `use a whole number from 1 to ${maxControllers}`);

const wrongNodeCount = (text: string): InvalidLabOption =>
  new InvalidLabOption("--nodes", text, `use a whole number from 0 to ${maxNodes}`);

/** Checks what the user asked for. Throws {@link InvalidLabOption} naming the flag. */
export function checkSpec(spec: LabSpec): void {
  checkLabName(spec.name);
  if (!Number.isInteger(spec.nodes) || spec.nodes < 0 || spec.nodes > maxNodes) throw wrongNodeCount(String(spec.nodes));
  const { controllers = 1 } = spec;
  if (!Number.isInteger(controllers) || controllers < 1 || controllers > maxControllers) throw wrongControllerCount(String(controllers));
  if (spec.joins !== undefined && controllers > 1)
    throw new InvalidLabOption("--controllers", String(controllers), "a lab that joins a cluster brings one controller at most");
  if (spec.joins !== undefined && spec.nodes === 0) throw new InvalidLabOption("--nodes", "0", "a lab that joins a cluster is its nodes");
  checkCidrs("--pod-cidr", spec.podCidrs, { 4: 16, 6: 56 });
  checkCidrs("--service-cidr", spec.serviceCidrs, { 4: 24, 6: 112 });
  const families = (cidrs: readonly string[]): string =>
    cidrs
      .map((cidr) => tryParsePrefix(cidr)?.family)
      .sort()
      .join();
  if (families(spec.podCidrs) !== families(spec.serviceCidrs))
    throw new InvalidLabOption(
      "--service-cidr",
      spec.serviceCidrs.join(","),
      `give the same families as --pod-cidr ${spec.podCidrs.join(",")}`,
    );
}

function checkCidrs(option: string, cidrs: readonly string[], longest: Readonly<Record<4 | 6, number>>): void {
  const text = cidrs.join(",");
  const prefixes = cidrs.map((cidr) => {
    const prefix = tryParsePrefix(cidr);
    if (prefix === undefined) throw new InvalidLabOption(option, text, `${JSON.stringify(cidr)} is not a prefix such as 10.10.0.0/16`);
    if (prefix.length > longest[prefix.family])
      throw new InvalidLabOption(option, text, `IPv${prefix.family} needs a prefix of /${longest[prefix.family]} or shorter`);
    for (const network of [apiNetwork, transportNetwork])
      for (const own of [network.v4, network.v6])
        if (prefix.covers(own) || own.covers(prefix)) throw new InvalidLabOption(option, text, `overlaps the lab's own network ${own}`);
    return prefix;
  });
  if (prefixes.length === 0) throw new InvalidLabOption(option, text, "give at least one prefix");
  if (prefixes.length > 2 || new Set(prefixes.map((prefix) => prefix.family)).size !== prefixes.length)
    throw new InvalidLabOption(option, text, "give at most one prefix of each family");
}
