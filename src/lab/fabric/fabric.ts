import { existsSync } from "node:fs";
import { inNetns, run } from "../command.ts";
import { controllerAddress, firstAddress, type Network, nodeAddress, transportNetwork } from "../spec.ts";

/**
 * The wires of a lab, all in namespaces of its own. The fabric namespace has two bridges: `api` (the API server, and each node's `eth1`) and
 * `transport` (each node's `eth0`, which the node hands to Open vSwitch). The host's network has no part in either.
 */
export interface Fabric {
  readonly netns: string;
  /** The network that nodes and the API server share. */
  readonly api: Network;
}

/** Largest frame of the transport network: room for tunnels over pods of 1 500 bytes minus the tunnel's headers, as on ordinary Ethernet. */
const transportMtu = 1500;

export async function createFabric({ netns, api: network }: Fabric): Promise<void> {
  await run("ip", ["netns", "add", netns]);
  const api = firstAddress(network);
  await batch(netns, [
    "link set lo up",
    "link add api type bridge forward_delay 0 mcast_snooping 0",
    "link add transport type bridge forward_delay 0 mcast_snooping 0",
    `address add ${api.v4}/${network.v4.length} dev api`,
    `address add ${api.v6}/${network.v6.length} dev api nodad`,
    "link set api up",
    "link set transport up",
  ]);
}

/**
 * Makes the namespace of a node and plugs it in. `eth1` has the node's address. Whose `eth0` is says `uplink`: that of Open vSwitch, without an address,
 * or that of the node's own stack, with the node's transport address.
 */
export async function plugNode({
  fabric,
  netns,
  node,
  uplink,
}: {
  readonly fabric: Fabric;
  readonly netns: string;
  readonly node: number;
  readonly uplink: "stack" | "switch";
}): Promise<void> {
  await run("ip", ["netns", "add", netns]);
  const address = nodeAddress(fabric.api, node);
  const gateway = firstAddress(fabric.api);
  await batch(fabric.netns, [
    `link add ${portName("api", node)} type veth peer name eth1 netns ${netns}`,
    `link add ${portName("transport", node)} type veth peer name eth0 netns ${netns}`,
    `link set ${portName("api", node)} master api up`,
    `link set ${portName("transport", node)} master transport mtu ${transportMtu} up`,
  ]);
  await batch(netns, [
    "link set lo up",
    `address add ${address.v4}/${fabric.api.v4.length} dev eth1`,
    `address add ${address.v6}/${fabric.api.v6.length} dev eth1 nodad`,
    "link set eth1 up",
    `link set eth0 mtu ${transportMtu} ${uplink === "stack" ? "" : "arp off "}up`,
    `route add default via ${gateway.v4} dev eth1`,
    `route add default via ${gateway.v6} dev eth1`,
  ]);
  if (uplink === "stack") await addressTransport({ netns, node, interface: "eth0" });
  else await keepStackOut(netns);
}

/**
 * Open vSwitch's userspace datapath gets a copy of each frame that `eth0` receives; the node's own stack must not act on its own copy: the address
 * of the node is that of `br-phy`, and an answer with the MAC address of `eth0` would lead packets past the switch.
 */
async function keepStackOut(netns: string): Promise<void> {
  await writeSettings(netns, {
    "ipv4/conf/eth0/arp_ignore": "8",
    "ipv4/conf/eth0/rp_filter": "1",
    "ipv4/conf/eth0/forwarding": "0",
    "ipv6/conf/eth0/disable_ipv6": "1",
  });
}

async function writeSettings(netns: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const { command, args } = inNetns(netns, "sh", [
    "-c",
    'while read -r file value; do echo "$value" >"/proc/sys/net/$file" || exit 1; done',
  ]);
  const input = Object.entries(settings).map(([file, value]) => `${file} ${value}\n`);
  await run(command, args, { input: input.join("") });
}

/** Makes the namespace of a controller, with an address on the network of nodes and API server. */
export async function plugController({
  fabric,
  netns,
  controller,
}: {
  readonly fabric: Fabric;
  readonly netns: string;
  readonly controller: number;
}): Promise<void> {
  await run("ip", ["netns", "add", netns]);
  const address = controllerAddress(fabric.api, controller);
  const port = portName("controller", controller);
  await batch(fabric.netns, [`link add ${port} type veth peer name eth1 netns ${netns}`, `link set ${port} master api up`]);
  await batch(netns, [
    "link set lo up",
    `address add ${address.v4}/${fabric.api.v4.length} dev eth1`,
    `address add ${address.v6}/${fabric.api.v6.length} dev eth1 nodad`,
    "link set eth1 up",
  ]);
}

/** Takes a node's namespace away, and its ends of the wires with it. */
export async function unplugNode({
  fabric,
  netns,
  node,
}: {
  readonly fabric: Fabric;
  readonly netns: string;
  readonly node: number;
}): Promise<void> {
  for (const network of ["api", "transport"])
    await run("ip", ["-n", fabric.netns, "link", "delete", portName(network, node)]).catch(() => {});
  await deleteNetns(netns);
}

/** Cuts (or mends) a node's wires on both networks, as if its cables were pulled. */
export async function setWires(options: { readonly fabric: Fabric; readonly node: number; readonly state: "up" | "down" }): Promise<void> {
  await batch(
    options.fabric.netns,
    ["api", "transport"].map((network) => `link set ${portName(network, options.node)} ${options.state}`),
  );
}

/** Cuts (or mends) a controller's wire. */
export async function setControllerWire(options: {
  readonly fabric: Fabric;
  readonly controller: number;
  readonly state: "up" | "down";
}): Promise<void> {
  await batch(options.fabric.netns, [`link set ${portName("controller", options.controller)} ${options.state}`]);
}

/** Gives `br-phy` of a node the node's transport address, once the switch has made the interface. */
export async function addressTransport({
  netns,
  node,
  interface: name = "br-phy",
}: {
  readonly netns: string;
  readonly node: number;
  readonly interface?: string;
}): Promise<void> {
  const address = nodeAddress(transportNetwork, node);
  await batch(netns, [
    `address replace ${address.v4}/${transportNetwork.v4.length} dev ${name}`,
    `address replace ${address.v6}/${transportNetwork.v6.length} dev ${name} nodad`,
    `link set ${name} mtu ${transportMtu} up`,
  ]);
}

export async function deleteNetns(netns: string): Promise<void> {
  if (existsSync(`/var/run/netns/${netns}`)) await run("ip", ["netns", "delete", netns]);
}

const portName = (network: string, node: number): string => `${network}-${node}`;

async function batch(netns: string, lines: readonly string[]): Promise<void> {
  await run("ip", ["-n", netns, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
