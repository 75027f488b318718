import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import type { Kubectl } from "../src/lab/demo/kubectl.ts";
import type { Lab } from "../src/lab/lab.ts";
import { type Bench, percentile } from "./bench.ts";
import { pod, withLab } from "./lab.ts";

const pairs = 10;
const atOnce = 20;
const node = "node-1";
/** Debian's `containernetworking-plugins`. */
const stockPlugins = "/usr/lib/cni";
/** Comes before `10-antrea.conflist`; containerd takes the first. */
const bridgeFile = "00-bridge.conflist";
const bridgeNetwork = "10.88.0";

type Network = "antrea" | "bridge";

/** Twenty pods at once on a node, from create to all Ready, by antrea-cni and by the stock `bridge` plugin in its place, in interleaved pairs. */
export const bench: Bench = {
  goals: { vs_bridge: { atMost: 1.03 } },
  run: ({ print }) =>
    withLab({ nodes: 1 }, async (lab, kubectl) => {
      for (const plugin of ["bridge", "host-local"]) await install(join(stockPlugins, plugin), join(lab.paths.node(node).cniBin, plugin));
      const ratios: number[] = [];
      const times: Record<Network, number[]> = { antrea: [], bridge: [] };
      // The first of each is for caches and images.
      for (const network of ["bridge", "antrea"] as const) await churn({ lab, kubectl, network });
      for (let pair = 0; pair < pairs; pair++) {
        const order = pair % 2 === 0 ? (["antrea", "bridge"] as const) : (["bridge", "antrea"] as const);
        const took = { antrea: Number.NaN, bridge: Number.NaN };
        for (const network of order) took[network] = await churn({ lab, kubectl, network });
        for (const network of order) times[network].push(took[network]);
        ratios.push(took.antrea / took.bridge);
        print(
          `${atOnce} pods: antrea ${took.antrea.toFixed(2)} s, bridge ${took.bridge.toFixed(2)} s, ratio ${(took.antrea / took.bridge).toFixed(3)}`,
        );
      }
      print(`ratios from ${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}, load average ${loadavg()[0]?.toFixed(1)}`);
      return {
        vs_bridge: percentile(ratios, 0.5),
        vs_bridge_p25: percentile(ratios, 0.25),
        vs_bridge_p75: percentile(ratios, 0.75),
        antrea_s: percentile(times.antrea, 0.5),
        bridge_s: percentile(times.bridge, 0.5),
      };
    }),
};

/** A link to it would be written through. */
async function install(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  await copyFile(from, to);
}

interface Round {
  readonly lab: Lab;
  readonly kubectl: Kubectl;
  readonly network: Network;
}

/** Seconds until all are Ready; they are gone again when it resolves. */
async function churn(round: Round): Promise<number> {
  await use(round);
  const names = Array.from({ length: atOnce }, (_, index) => `churn-${index}`);
  const started = performance.now();
  await create(round.kubectl, names);
  const took = (performance.now() - started) / 1_000;
  await remove(round.kubectl);
  return took;
}

/** Has containerd connect pods by that network; it notices by itself, so pods are made until one has such an address. */
async function use({ lab, kubectl, network }: Round): Promise<void> {
  const { cniConf: folder, agent } = lab.paths.node(node);
  const file = join(folder, bridgeFile);
  if (network === "antrea") await rm(file, { force: true });
  else await writeFile(file, await bridgeConflist(join(folder, "10-antrea.conflist"), join(agent, "bridge-addresses")));
  for (;;) {
    await create(kubectl, ["trial"]);
    const address = await kubectl(["get", "pod", "trial", "-o", "jsonpath={.status.podIP}"]);
    await remove(kubectl);
    if (address.startsWith(`${bridgeNetwork}.`) === (network === "bridge")) return;
  }
}

async function create(kubectl: Kubectl, names: readonly string[]): Promise<void> {
  const items = names.map((name) => pod(name, { node }));
  await kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await kubectl(["wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s"]);
}

async function remove(kubectl: Kubectl): Promise<void> {
  await kubectl(["delete", "pod", "--all", "--wait", "--timeout=120s"]);
}

/** The lab's own list with the stock plugin in antrea's place. IPv4 alone: with IPv6 `bridge` waits a second and more for duplicate address detection. */
async function bridgeConflist(ours: string, dataDir: string): Promise<string> {
  const list = JSON.parse(await readFile(ours, "utf8")) as { readonly plugins: readonly { readonly type: string }[] };
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipam: { type: "host-local", dataDir, ranges: [[{ subnet: `${bridgeNetwork}.0/24` }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  const plugins = list.plugins.map((plugin) => (plugin.type === "antrea" ? bridge : plugin));
  return JSON.stringify({ ...list, name: "bridge", plugins });
}
