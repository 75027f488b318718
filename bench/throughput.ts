import { loadavg } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import type { PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { run } from "../src/lab/command.ts";
import { parseAddress, parsePrefix } from "../src/lib/ip/index.ts";
import { createNetlink } from "../src/lib/netlink/index.ts";
import { silentLogger } from "../src/lib/runtime/index.ts";
import { type Bench, percentile } from "./bench.ts";
import { switchPid, transfer } from "./iperf.ts";
import { type ProgrammedNode, tunnelPort, withProgrammedNode } from "./programmed-node.ts";

const pairs = 5;
const seconds = 2;
const costPairs = 8;
const costMbits = 120;

/** What a switch does with packets: our pipeline, one flow, or by hand the least that tracks connections as often as our pipeline does. */
type Flows = "ours" | "normal" | "minimal";

const minimal = [
  "table=0,priority=2,arp,actions=NORMAL",
  "table=0,priority=1,ip,actions=ct(zone=1,table=1)",
  "table=1,priority=2,ip,ct_state=+trk+est,actions=NORMAL",
  "table=1,priority=1,ip,ct_state=+trk+new,actions=ct(commit,zone=1),NORMAL",
];

/** Throughput of our pipeline against one NORMAL flow on the same switch, and processor time per packet against minimal flows. Without policies. */
export const bench: Bench = {
  goals: { vs_normal_same: { atLeast: 0.95 }, vs_normal_cross: { atLeast: 0.9 }, cost_vs_minimal: { atMost: 1.03 } },
  run: ({ print }) =>
    withTwoNodes(async ({ near, far, routed, bridged }) => {
      const nodes = [near, far];
      const [client, neighbour] = near.pods;
      const [remote] = far.pods;
      if (client === undefined || neighbour === undefined || remote === undefined) throw new Error("the nodes have no pods");
      for (const pod of [neighbour, remote]) pod.start("iperf3", "-s");
      const from = client.networkNamespace;
      const watched = switchPid(near.ovs.database);
      const compare = async (title: string, targets: { readonly ours: string; readonly normal: string }): Promise<Ratios> => {
        const ratios: Ratios[] = [];
        for (const protocol of ["tcp", "udp"] as const) {
          const rates = { ours: [] as Rate[], normal: [] as Rate[] };
          for (let pair = 0; pair < pairs; pair++) {
            for (const flows of pair % 2 === 0 ? (["ours", "normal"] as const) : (["normal", "ours"] as const)) {
              await program(nodes, flows);
              const { mbits, cpuNs } = await transfer(from, { protocol, target: targets[flows], seconds, watched });
              rates[flows].push({ mbits, perCpu: mbits / (cpuNs / 1e9 / seconds) });
            }
          }
          const of = (value: (rate: Rate) => number): number[] =>
            rates.ours.map((rate, index) => value(rate) / value(rates.normal[index] ?? { mbits: Number.NaN, perCpu: Number.NaN }));
          const [byTime, byCpu] = [of(({ mbits }) => mbits), of(({ perCpu }) => perCpu)];
          print(
            `${title} ${protocol}: ours ${rounded(rates.ours)}, NORMAL ${rounded(rates.normal)} Mbit/s; ratios ${decimals(byTime)}, per processor time of the switch ${decimals(byCpu)}`,
          );
          ratios.push({ byTime: percentile(byTime, 0.5), byCpu: percentile(byCpu, 0.5) });
        }
        return { byTime: Math.min(...ratios.map(({ byTime }) => byTime)), byCpu: Math.min(...ratios.map(({ byCpu }) => byCpu)) };
      };
      const sameTarget = neighbour.addresses[4];
      const same = await compare("same node", { ours: sameTarget, normal: sameTarget });
      const cross = await compare("across nodes", { ours: routed(remote), normal: bridged(remote) });
      const cost = await costOf(near, { from, target: sameTarget, print });
      print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only the ratios per processor time tell`);
      return {
        vs_normal_same: same.byTime,
        vs_normal_cross: cross.byTime,
        cost_vs_minimal: cost,
        same_per_cpu: same.byCpu,
        cross_per_cpu: cross.byCpu,
      };
    }),
};

interface Rate {
  readonly mbits: number;
  /** Mbit for each second of processor time of the sending node's switch. */
  readonly perCpu: number;
}

/** Ours ÷ NORMAL, the worse of TCP and UDP, each the median of its pairs. */
interface Ratios {
  readonly byTime: number;
  readonly byCpu: number;
}

const rounded = (rates: readonly Rate[]): string => rates.map(({ mbits }) => mbits.toFixed(0)).join(" ");
const decimals = (ratios: readonly number[]): string => ratios.map((ratio) => ratio.toFixed(2)).join(" ");

async function program(nodes: readonly ProgrammedNode[], flows: Flows): Promise<void> {
  for (const node of nodes) {
    if (flows === "ours") await node.restore();
    else {
      await node.ovs.ofctl("del-flows", "br0");
      for (const text of flows === "minimal" ? minimal : ["actions=NORMAL"]) await node.ovs.ofctl("add-flow", "br0", text);
    }
  }
  // Flow caches of the switch fill, and neighbours are known again.
  await wait(200);
}

/** Processor time of ovs-vswitchd per packet at a steady rate, ours ÷ minimal: median of interleaved pairs. */
async function costOf(
  node: ProgrammedNode,
  { from, target, print }: { readonly from: string; readonly target: string; readonly print: (line: string) => void },
): Promise<number> {
  const watched = switchPid(node.ovs.database);
  const cost = async (flows: Flows): Promise<number> => {
    await program([node], flows);
    const { packets, cpuNs } = await transfer(from, { protocol: "udp", target, seconds, mbits: costMbits, watched });
    return cpuNs / packets / 1_000;
  };
  const ratios: number[] = [];
  for (let pair = 0; pair < costPairs; pair++) {
    const first = pair % 2 === 0 ? await cost("ours") : await cost("minimal");
    const second = pair % 2 === 0 ? await cost("minimal") : await cost("ours");
    const [ours, least] = pair % 2 === 0 ? [first, second] : [second, first];
    ratios.push(ours / least);
    print(
      `processor time per packet at ${costMbits} Mbit/s: ours ${ours.toFixed(2)}, minimal ${least.toFixed(2)} µs, ratio ${(ours / least).toFixed(3)}`,
    );
  }
  return percentile(ratios, 0.5);
}

interface TwoNodes {
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

async function withTwoNodes<Result>(use: (nodes: TwoNodes) => Promise<Result>): Promise<Result> {
  return withProgrammedNode(["client", "neighbour"], (near) =>
    withProgrammedNode(
      ["remote"],
      async (far) => {
        const bridged = (pod: PacketPod): string => pod.addresses[4].replace(/^10\.10\.(\d+)\.(\d+)$/, "10.99.0.$1$2");
        const ends = [near, far].map(({ networkNamespace }) => ["name", uplink, "netns", networkNamespace]);
        await run("ip", ["link", "add", ...(ends[0] ?? []), "type", "veth", "peer", ...(ends[1] ?? [])]);
        for (const [subnet, node] of [near, far].entries()) {
          await connectNode(node, { subnet, remote: 1 - subnet });
          for (const pod of node.pods) {
            const inPod = (...args: string[]): Promise<string> => run("ip", ["-n", pod.networkNamespace, ...args]);
            await inPod("link", "set", "eth0", "mtu", "1400");
            await inPod("address", "add", `${bridged(pod)}/24`, "dev", "eth0");
            await inPod("route", "add", "default", "via", `10.10.${subnet}.1`);
          }
        }
        for (const [subnet, node] of [near, far].entries()) {
          const remote = 1 - subnet;
          node.setRemoteNode({
            name: `node-${remote}`,
            podCIDRs: [parsePrefix(`10.10.${remote}.0/24`)],
            transportAddresses: [parseAddress(transportAddress(remote))],
          });
          await node.apply();
        }
        return use({ near, far, routed: (pod) => pod.addresses[4], bridged });
      },
      { subnet: 1 },
    ),
  );
}

/** Gives a node its uplink in a bridge that carries the node's address, and two tunnel ports: ours by flow, and one for NORMAL. */
async function connectNode(
  { ovs, networkNamespace }: ProgrammedNode,
  { subnet, remote }: { readonly subnet: number; readonly remote: number },
): Promise<void> {
  await withoutChecksumOffload(networkNamespace, uplink);
  await run("ip", ["-n", networkNamespace, "link", "set", "dev", uplink, "up"]);
  await ovs.vsctl(
    ...["add-br", "br-phy", "--", "set", "Bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone"],
    ...["--", "add-port", "br-phy", uplink],
    ...["--", "add-port", "br0", "tun0", "--", "set", "Interface", "tun0", "type=geneve", "options:remote_ip=flow", "options:key=flow"],
    `ofport_request=${tunnelPort}`,
    ...["--", "add-port", "br0", "tun1", "--", "set", "Interface", "tun1", "type=geneve", `options:remote_ip=${transportAddress(remote)}`],
    `options:key=${bridgedKey}`,
  );
  await run("ip", ["-n", networkNamespace, "address", "add", `${transportAddress(subnet)}/24`, "dev", "br-phy"]);
  await run("ip", ["-n", networkNamespace, "link", "set", "br-phy", "up"]);
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
