import { loadavg } from "node:os";
import { type Bench, percentile } from "./bench.ts";
import { compareWithNormal, program } from "./compare-with-normal.ts";
import { switchPid, transfer } from "./iperf.ts";
import type { ProgrammedNode } from "./programmed-node.ts";
import { withTwoNodes } from "./two-nodes.ts";

const pairs = 5;
const seconds = 2;
/** Single pairs differ by a quarter where others use the machine; of so many the median is good to some hundredths. */
const costPairs = 16;
const costSeconds = 1;
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
      const cost = await costOf({ title: "same node", nodes: [near], from, target: { ours: sameTarget, minimal: sameTarget }, print });
      const costAcross = await costOf({
        title: "across nodes, both switches",
        nodes,
        from,
        target: { ours: routed(remote), minimal: bridged(remote) },
        print,
      });
      print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only the ratios per processor time tell`);
      return {
        vs_normal_same: same.byTime,
        vs_normal_cross: cross.byTime,
        cost_vs_minimal: cost.median,
        cost_vs_minimal_low: cost.low,
        cost_vs_minimal_high: cost.high,
        cross_cost_vs_minimal: costAcross.median,
        cross_cost_vs_minimal_low: costAcross.low,
        cross_cost_vs_minimal_high: costAcross.high,
        same_per_cpu: same.byCpu,
        cross_per_cpu: cross.byCpu,
        minimal_vs_normal_cross: least.byTime,
        minimal_cross_per_cpu: least.byCpu,
      };
    }),
};

interface CostOptions {
  readonly title: string;
  /** Whose switches the packets pass. */
  readonly nodes: readonly ProgrammedNode[];
  /** Network namespace of the sender. */
  readonly from: string;
  /** The receiver's address with each kind of flows. */
  readonly target: Readonly<Record<"ours" | "minimal", string>>;
  readonly print: (line: string) => void;
}

/** Processor time of ovs-vswitchd per packet at a steady rate, ours ÷ minimal, of interleaved pairs: their median, and the quartiles. */
async function costOf({ title, nodes, from, target, print }: CostOptions): Promise<Record<"low" | "median" | "high", number>> {
  const watched = nodes.map(({ ovs }) => switchPid(ovs.database));
  const microseconds = async (flows: "ours" | "minimal"): Promise<number> => {
    await program(nodes, flows);
    const options = { protocol: "udp", target: target[flows], seconds: costSeconds, mbits: costMbits, watched } as const;
    const { packets, cpuNs } = await transfer(from, options);
    return cpuNs / packets / 1_000;
  };
  const costs = { ours: [] as number[], minimal: [] as number[] };
  for (let pair = 0; pair < costPairs; pair++)
    for (const flows of pair % 2 === 0 ? (["ours", "minimal"] as const) : (["minimal", "ours"] as const))
      costs[flows].push(await microseconds(flows));
  const ratios = costs.ours.map((ours, index) => ours / (costs.minimal[index] ?? Number.NaN));
  const [low = 0, median = 0, high = 0] = [0.25, 0.5, 0.75].map((share) => percentile(ratios, share));
  print(
    `${title}: processor time per packet at ${costMbits} Mbit/s, ours ${percentile(costs.ours, 0.5).toFixed(2)}, minimal ${percentile(costs.minimal, 0.5).toFixed(2)} µs; ratio of ${costPairs} pairs ${median.toFixed(3)}, half of them ${low.toFixed(3)} to ${high.toFixed(3)}`,
  );
  return { low, median, high };
}
