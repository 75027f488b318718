import { loadavg } from "node:os";
import type { Bench } from "./bench.ts";
import { compareWithNormal } from "./compare-with-normal.ts";
import { switchPid } from "./iperf.ts";
import { withTwoNodes } from "./two-nodes.ts";

const pairs = Number(process.env.MODES_PAIRS ?? 5);
const seconds = 2;
/** What carries packets between nodes. `hybrid` does the one or the other. */
const modes = { geneve: "geneve", vxlan: "vxlan", gre: "gre", noencap: "none" } as const;
const goal = { atLeast: 0.92 };

/**
 * Each way between nodes: our pipeline against one NORMAL flow with a tunnel of the same kind, or with the same routes. Without policies. Beside it four flows that do nothing but track
 * connections, against the same flow: more than they reach no pipeline can that tracks. In user space; `npm run test:kernel -- --bench modes` in a kernel.
 */
export const bench: Bench = {
  goals: Object.fromEntries(Object.keys(modes).map((mode) => [`vs_normal_${mode}`, goal])),
  async run({ print }) {
    const figures: Record<string, number> = {};
    for (const [mode, tunnel] of Object.entries(modes)) {
      const { ours, minimal } = await withTwoNodes({ tunnel }, async ({ near, far, routed, bridged }) => {
        const [client] = near.pods;
        const [remote] = far.pods;
        if (client === undefined || remote === undefined) throw new Error("the nodes have no pods");
        remote.start("iperf3", "-s");
        const normal = tunnel === "none" ? routed(remote) : bridged(remote);
        const common = { title: mode, nodes: [near, far], from: client.networkNamespace, normal, pairs, seconds, print };
        const watched = switchPid(near.ovs.database);
        return {
          ours: await compareWithNormal({ ...common, watched, target: routed(remote) }),
          minimal: await compareWithNormal({ ...common, watched, compared: "minimal", target: normal }),
        };
      });
      figures[`vs_normal_${mode}`] = ours.byTime;
      figures[`${mode}_per_cpu`] = ours.byCpu;
      figures[`${mode}_minimal`] = minimal.byTime;
      figures[`${mode}_minimal_per_cpu`] = minimal.byCpu;
    }
    print(`load average ${loadavg()[0]?.toFixed(1)}: on a machine that others keep busy, only the ratios per processor time tell`);
    return figures;
  },
};
