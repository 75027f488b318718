import { type ChildProcess, execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import type { LocalPort } from "#core/pipeline/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createNetlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { keepNodeOut } from "../../cni/pod-interface.ts";
import { queueSize } from "../../ovs/bridge.ts";
import { silentLogger } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);

/** A pod that is a network namespace with busybox in it. */
export interface PacketPod {
  readonly port: LocalPort;
  readonly addresses: { readonly 4: string; readonly 6: string };
  /** The pod's network namespace, as `ip netns` knows it. */
  readonly networkNamespace: string;
  /** Starts a program in the pod; it ends with the node. */
  start(program: string, ...args: string[]): ChildProcess;
  /** Whether a program in the pod ends with status 0. */
  succeeds(program: string, ...args: string[]): Promise<boolean>;
  /** Resolves when a program in the pod accepts TCP connections at this port. */
  listens(port: number): Promise<void>;
}

/** A node for tests with real packets: a namespace with Open vSwitch, a gateway and pods. Needs root. */
export interface PacketNode {
  readonly ovs: PrivateSwitch;
  readonly gateway: { readonly ofport: number; readonly mac: LocalPort["mac"]; readonly addresses: LocalPort["addresses"] };
  readonly pods: readonly PacketPod[];
  /** The network namespace of the switch, as `ip netns` knows it. */
  readonly networkNamespace: string;
  remove(): Promise<void>;
}

export const gatewayPort = 32_769;

/** `subnet` (0 to 255, default 0) is the third byte of its pods' addresses, `10.10.SUBNET.0/24`; with several nodes each has its own. */
export async function createPacketNode(name: string, podNames: readonly string[], { subnet = 0 } = {}): Promise<PacketNode> {
  const gatewayMac = `0e:00:00:00:${hexByte(subnet)}:01`;
  const prefix = `${name}-${process.pid}`;
  const netlink = createNetlink({ runtime: { logger: silentLogger } });
  const made: string[] = [];
  const children: ChildProcess[] = [];
  let ovs: PrivateSwitch | undefined;
  const namespace = async (what: string): Promise<{ readonly name: string; readonly net: NetworkNamespace }> => {
    const path = `/run/netns/${prefix}-${what}`;
    await run("mkdir", ["-p", "/run/netns"]);
    const net = await netlink.create({ path });
    made.push(path);
    await net.setLink({ name: "lo" }, { up: true });
    return { name: `${prefix}-${what}`, net };
  };
  const remove = async (): Promise<void> => {
    for (const child of children) child.kill("SIGKILL");
    await ovs?.stop();
    for (const path of made) await netlink.remove(path).catch(() => {});
    await netlink.close();
  };
  try {
    const node = await namespace("node");
    ovs = await startPrivateSwitch({ datapath: "devices", networkNamespace: node.name });
    const { key, value } = queueSize;
    await ovs.vsctl("set", "Bridge", "br0", `other_config:${key}=${value}`);
    await ovs.vsctl(
      "add-port",
      "br0",
      "gw0",
      "--",
      "set",
      "Interface",
      "gw0",
      "type=internal",
      `mac="${gatewayMac}"`,
      `ofport_request=${gatewayPort}`,
    );
    const gateway = [`10.10.${subnet}.1/24`, `fd00:10:0:${subnet.toString(16)}::1/64`];
    await prepare(node.net, "gw0", gateway);
    const pods: PacketPod[] = [];
    for (const [index, podName] of podNames.entries())
      pods.push(await createPod({ node: node.net, ovs, namespace, children, podName, subnet, number: index + 2 }));
    return {
      ovs,
      gateway: { ofport: gatewayPort, mac: parseMac(gatewayMac), addresses: gateway.map((text) => parseAddress(text.replace(/\/.*/, ""))) },
      pods,
      networkNamespace: node.name,
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

interface PodOptions {
  readonly node: NetworkNamespace;
  readonly ovs: PrivateSwitch;
  readonly namespace: (what: string) => Promise<{ readonly name: string; readonly net: NetworkNamespace }>;
  readonly children: ChildProcess[];
  readonly podName: string;
  readonly subnet: number;
  readonly number: number;
}

async function createPod({ node, ovs, namespace, children, podName, subnet, number }: PodOptions): Promise<PacketPod> {
  const { name, net } = await namespace(podName);
  const mac = parseMac(`0a:00:00:00:${hexByte(subnet)}:${hexByte(number)}`);
  await node.createVeth({ name: podName, up: true }, { name: "eth0", mac, namespace: net });
  // Open vSwitch in user space does not complete checksums.
  if (testDatapath === "netdev") {
    await node.setOffload(podName, "txChecksum", false);
    await net.setOffload("eth0", "txChecksum", false);
  }
  await Promise.all(keepNodeOut(node, podName));
  const addresses = { 4: `10.10.${subnet}.${number}`, 6: `fd00:10:0:${subnet.toString(16)}::${number}` } as const;
  await prepare(net, "eth0", [`${addresses[4]}/24`, `${addresses[6]}/64`]);
  await ovs.vsctl("add-port", "br0", podName, "--", "set", "Interface", podName, `ofport_request=${number}`);
  const inPod = (program: string, args: readonly string[]): [string, string[]] => ["ip", ["netns", "exec", name, program, ...args]];
  const succeeds = (program: string, ...args: string[]): Promise<boolean> =>
    run(...inPod(program, args), { timeout: amplePatience }).then(
      () => true,
      () => false,
    );
  return {
    port: {
      interfaceName: podName,
      ofport: number,
      mac,
      addresses: [addresses[4], addresses[6]].map(parseAddress),
      podNamespace: "shop",
      podName,
      containerId: podName,
    },
    addresses,
    networkNamespace: name,
    start(program, ...args) {
      const child = spawn("setpriv", ["--pdeathsig", "KILL", ...inPod(program, args).flat()], { stdio: ["pipe", "pipe", "ignore"] });
      children.push(child);
      return child;
    },
    succeeds,
    async listens(wanted) {
      while (!(await succeeds("sh", "-c", `ss -Hltn 'sport = :${wanted}' | grep -q .`)));
    },
  };
}

async function prepare(net: NetworkNamespace, name: string, addresses: readonly string[]): Promise<void> {
  const { index } = await net.link({ name });
  await net.setLink({ name }, { up: true });
  for (const text of addresses) {
    const [address = "", length = ""] = text.split("/");
    await net.addAddress({ linkIndex: index, address: parseAddress(address), prefixLength: Number(length), noDuplicateDetection: true });
  }
}

const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");
