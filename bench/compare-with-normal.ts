import { setTimeout as wait } from "node:timers/promises";
import { percentile } from "./bench.ts";
import { transfer } from "./iperf.ts";
import type { ProgrammedNode } from "./programmed-node.ts";

/** What a switch does with packets: our pipeline, one flow, or by hand the least that tracks connections as often as our pipeline does. */
export type Flows = "ours" | "normal" | "minimal";

const minimal = [
  "table=0,priority=2,arp,actions=NORMAL",
  "table=0,priority=1,ip,actions=ct(zone=1,table=1)",
  "table=1,priority=2,ip,ct_state=+trk+est,actions=NORMAL",
  "table=1,priority=1,ip,ct_state=+trk+new,actions=ct(commit,zone=1),NORMAL",
];

export interface Comparison {
  readonly title: string;
  readonly nodes: readonly ProgrammedNode[];
  /** Network namespace of the sender. */
  readonly from: string;
  /** What is compared with NORMAL. Default ours. */
  readonly compared?: "ours" | "minimal";
  /** The receiver's address with the flows that are compared. */
  readonly target: string;
  /** Its address with one NORMAL flow. */
  readonly normal: string;
  /** Process id of the sending node's switch. */
  readonly watched: number;
  readonly pairs: number;
  /** Of each run. */
  readonly seconds: number;
  readonly print: (line: string) => void;
}

interface Rate {
  readonly mbits: number;
  /** Mbit for each second of processor time of the sending node's switch. */
  readonly perCpu: number;
}

/** Ours or minimal flows ÷ NORMAL, the worse of TCP and UDP, each the median of its pairs. */
export interface Ratios {
  readonly byTime: number;
  readonly byCpu: number;
}

/** Throughput of our pipeline, or of minimal flows, against one NORMAL flow on the same switch, in interleaved pairs. */
export async function compareWithNormal(options: Comparison): Promise<Ratios> {
  const { title, nodes, compared = "ours", from, watched, pairs, seconds, print } = options;
  const ratios: Ratios[] = [];
  for (const protocol of ["tcp", "udp"] as const) {
    const rates = { target: [] as Rate[], normal: [] as Rate[] };
    for (let pair = 0; pair < pairs; pair++) {
      for (const which of pair % 2 === 0 ? (["target", "normal"] as const) : (["normal", "target"] as const)) {
        await program(nodes, which === "normal" ? "normal" : compared);
        const { mbits, cpuNs } = await transfer(from, { protocol, target: options[which], seconds, watched: [watched] });
        rates[which].push({ mbits, perCpu: mbits / (cpuNs / 1e9 / seconds) });
      }
    }
    const of = (value: (rate: Rate) => number): number[] =>
      rates.target.map((rate, index) => value(rate) / value(rates.normal[index] ?? { mbits: Number.NaN, perCpu: Number.NaN }));
    const [byTime, byCpu] = [of(({ mbits }) => mbits), of(({ perCpu }) => perCpu)];
    print(
      `${title} ${protocol}: ${compared} ${rounded(rates.target)}, NORMAL ${rounded(rates.normal)} Mbit/s; ratios ${decimals(byTime)}, per processor time of the switch ${decimals(byCpu)}`,
    );
    ratios.push({ byTime: percentile(byTime, 0.5), byCpu: percentile(byCpu, 0.5) });
  }
  return { byTime: Math.min(...ratios.map(({ byTime }) => byTime)), byCpu: Math.min(...ratios.map(({ byCpu }) => byCpu)) };
}

const rounded = (rates: readonly Rate[]): string => rates.map(({ mbits }) => mbits.toFixed(0)).join(" ");
const decimals = (ratios: readonly number[]): string => ratios.map((ratio) => ratio.toFixed(2)).join(" ");

/** Has the nodes' switches do nothing else than `flows` say. */
export async function program(nodes: readonly ProgrammedNode[], flows: Flows): Promise<void> {
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
