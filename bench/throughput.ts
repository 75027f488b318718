import { loadavg } from "node:os";
import { type Bench, percentile } from "./bench.ts";
import { compareWithNormal, type Flows, program } from "./compare-with-normal.ts";
import { switchPid, transfer } from "./iperf.ts";
import type { ProgrammedNode } from "./programmed-node.ts";
import { withTwoNodes } from "./two-nodes.ts";

const pairs = 5;
const seconds = 2;
const costPairs = 8;
const costMbits = 120;

/**
 * Throughput of our pipeline against one NORMAL flow on the same switch, and processor time per packet against minimal flows. Without policies. Across nodes minimal flows
 * are measured against NORMAL, too: what tracking connections once on each node costs there, whoever does it.
 */
export const bench: Bench = {
  goals: { vs_normal_same: { atLeast: 0.95 }, vs_normal_cross: { atLeast: 0.9 }, cost_vs_minimal: { atMost: 1.03 } },
  run: ({ print }) =>
    withTwoNodes({}, async ({ near, far, routed, bridged }) => {
      const nodes = [near, far];
      const [client, neighbour] = near.pods;
      const [remote] = far.pods;
      if (client === undefined || neighbour === undefined || remote === undefined) throw new Error("the nodes have no pods");
      for (const pod of [neighbour, remote]) pod.start("iperf3", "-s");
      const from = client.networkNamespace;
      const sameTarget = neighbour.addresses[4];
      const common = { nodes, from, watched: switchPid(near.ovs.database), pairs, seconds, print };
      const same = await compareWithNormal({ ...common, title: "same node", target: sameTarget, normal: sameTarget });
      const cross = await compareWithNormal({ ...common, title: "across nodes", target: routed(remote), normal: bridged(remote) });
      const least = await compareWithNormal({
        ...common,
        title: "across nodes",
        compared: "minimal",
        target: bridged(remote),
        normal: bridged(remote),
      });
      const cost = await costOf(near, { from, target: sameTarget, print });
      print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only the ratios per processor time tell`);
      return {
        vs_normal_same: same.byTime,
        vs_normal_cross: cross.byTime,
        cost_vs_minimal: cost,
        same_per_cpu: same.byCpu,
        cross_per_cpu: cross.byCpu,
        minimal_vs_normal_cross: least.byTime,
        minimal_cross_per_cpu: least.byCpu,
      };
    }),
};

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
