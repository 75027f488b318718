import type { PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { run } from "../src/lab/command.ts";
import { parseAddress, parsePrefix } from "../src/lib/ip/index.ts";
import { createNetlink } from "../src/lib/netlink/index.ts";
import { testDatapath } from "../src/lib/openflow/testing/datapath.ts";
import { silentLogger } from "../src/lib/runtime/index.ts";
import { type ProgrammedNode, tunnelPort, withProgrammedNode } from "./programmed-node.ts";

/** Two nodes on one wire, each with Open vSwitch: in user space, or in a kernel that has it. */
export interface TwoNodes {
  /** Has two pods. */
  readonly near: ProgrammedNode;
  /** Has one. */
  readonly far: ProgrammedNode;
  /** A pod's address in our pipeline's network. */
  readonly routed: (pod: PacketPod) => string;
  /** Its address in a network that NORMAL carries over a tunnel of its own between the same bridges. */
  readonly bridged: (pod: PacketPod) => string;
}

const transportAddress = (subnet: number): string => `172.31.0.${subnet + 1}`;
const bridgedKey = 99;
const uplink = "uplink0";

export interface Between {
  /** Of the tunnels, ours and the one for NORMAL. Default geneve. `none`: the nodes themselves route, and NORMAL carries pods' packets to the gateway as we do. */
  readonly tunnel?: "geneve" | "vxlan" | "gre" | "none";
}

/** Makes the nodes, hands them over, and removes them whatever happens. Needs root. */
export async function withTwoNodes<Result>({ tunnel = "geneve" }: Between, use: (nodes: TwoNodes) => Promise<Result>): Promise<Result> {
  return withProgrammedNode(["client", "neighbour"], (near) =>
    withProgrammedNode(
      ["remote"],
      async (far) => {
        const bridged = (pod: PacketPod): string => pod.addresses[4].replace(/^10\.10\.(\d+)\.(\d+)$/, "10.99.0.$1$2");
        const ends = [near, far].map(({ networkNamespace }) => ["name", uplink, "netns", networkNamespace]);
        await run("ip", ["link", "add", ...(ends[0] ?? []), "type", "veth", "peer", ...(ends[1] ?? [])]);
        for (const [subnet, node] of [near, far].entries()) {
          await connectNode(node, { subnet, remote: 1 - subnet, tunnel });
          for (const pod of node.pods) {
            const inPod = (...args: string[]): Promise<string> => run("ip", ["-n", pod.networkNamespace, ...args]);
            await inPod("link", "set", "eth0", "mtu", "1400");
            await inPod("address", "add", `${bridged(pod)}/24`, "dev", "eth0");
            await inPod("route", "add", "default", "via", `10.10.${subnet}.1`);
          }
        }
        for (const [subnet, node] of [near, far].entries()) {
          const remote = 1 - subnet;
          const block = parsePrefix(`10.10.${remote}.0/24`);
          node.setRemoteNode({
            name: `node-${remote}`,
            podCIDRs: [block],
            transportAddresses: [parseAddress(transportAddress(remote))],
            ...(tunnel === "none" ? { routed: [{ block, nextHop: parseAddress(transportAddress(remote)) }] } : {}),
          });
          if (tunnel === "none") await routeTo(node, remote);
          await node.apply();
        }
        return use({ near, far, routed: (pod) => pod.addresses[4], bridged });
      },
      { subnet: 1 },
    ),
  );
}

/** Gives a node its uplink, in user space in a bridge that carries the node's address, and two tunnel ports: ours by flow, and one for NORMAL. */
async function connectNode(
  { ovs, networkNamespace }: ProgrammedNode,
  { subnet, remote, tunnel }: { readonly subnet: number; readonly remote: number; readonly tunnel: NonNullable<Between["tunnel"]> },
): Promise<void> {
  const inUserSpace = testDatapath === "netdev";
  const link = inUserSpace ? "br-phy" : uplink;
  await run("ip", ["-n", networkNamespace, "link", "set", "dev", uplink, "up"]);
  if (inUserSpace) {
    await withoutChecksumOffload(networkNamespace, uplink);
    await ovs.vsctl(
      ...["add-br", link, "--", "set", "Bridge", link, "datapath_type=netdev", "fail_mode=standalone"],
      ...["--", "add-port", link, uplink],
    );
  }
  if (tunnel !== "none") await addTunnels(ovs, { tunnel, remote });
  await run("ip", ["-n", networkNamespace, "address", "add", `${transportAddress(subnet)}/24`, "dev", link]);
  await run("ip", ["-n", networkNamespace, "link", "set", link, "up"]);
}

/** What the agent does with noEncap. */
async function routeTo({ networkNamespace }: ProgrammedNode, remote: number): Promise<void> {
  await run("ip", ["netns", "exec", networkNamespace, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  await run("ip", ["-n", networkNamespace, "route", "replace", `10.10.${remote}.0/24`, "via", transportAddress(remote)]);
}

/** Ours, which flows lead anywhere, and one for NORMAL. */
async function addTunnels(
  ovs: ProgrammedNode["ovs"],
  { tunnel, remote }: { readonly tunnel: string; readonly remote: number },
): Promise<void> {
  await ovs.vsctl(
    ...["add-port", "br0", "tun0", "--", "set", "Interface", "tun0", `type=${tunnel}`, "options:remote_ip=flow", "options:key=flow"],
    `ofport_request=${tunnelPort}`,
    ...[
      "--",
      "add-port",
      "br0",
      "tun1",
      "--",
      "set",
      "Interface",
      "tun1",
      `type=${tunnel}`,
      `options:remote_ip=${transportAddress(remote)}`,
    ],
    `options:key=${bridgedKey}`,
  );
}

/** The userspace datapath does not complete checksums. */
async function withoutChecksumOffload(networkNamespace: string, link: string): Promise<void> {
  const netlink = createNetlink({ runtime: { logger: silentLogger } });
  try {
    const inside = await netlink.open(`/run/netns/${networkNamespace}`);
    await inside.setOffload(link, "txChecksum", false);
    await inside.close();
  } finally {
    await netlink.close();
  }
}
