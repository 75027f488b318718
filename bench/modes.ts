import { loadavg } from "node:os";
import type { Bench } from "./bench.ts";
import { compareWithNormal } from "./compare-with-normal.ts";
import { switchPid } from "./iperf.ts";
import { withTwoNodes } from "./two-nodes.ts";

const pairs = 5;
const seconds = 2;
/** What carries packets between nodes. `hybrid` does the one or the other. */
const modes = { geneve: "geneve", vxlan: "vxlan", gre: "gre", noencap: "none" } as const;
const goal = { atLeast: 0.92 };

/** Each way between nodes: our pipeline against one NORMAL flow with a tunnel of the same kind, or with the same routes. Without policies. */
export const bench: Bench = {
  goals: Object.fromEntries(Object.keys(modes).map((mode) => [`vs_normal_${mode}`, goal])),
  async run({ print }) {
    const figures: Record<string, number> = {};
    for (const [mode, tunnel] of Object.entries(modes)) {
      const { byTime, byCpu } = await withTwoNodes({ tunnel }, async ({ near, far, routed, bridged }) => {
        const [client] = near.pods;
        const [remote] = far.pods;
        if (client === undefined || remote === undefined) throw new Error("the nodes have no pods");
        remote.start("iperf3", "-s");
        return compareWithNormal({
          title: mode,
          nodes: [near, far],
          from: client.networkNamespace,
          target: routed(remote),
          normal: tunnel === "none" ? routed(remote) : bridged(remote),
          watched: switchPid(near.ovs.database),
          pairs,
          seconds,
          print,
        });
      });
      figures[`vs_normal_${mode}`] = byTime;
      figures[`${mode}_per_cpu`] = byCpu;
    }
    print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only the ratios per processor time tell`);
    return figures;
  },
};
