import { after, before, test } from "node:test";
import type { Family } from "#lib/ip/index.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { createTwoNodes, type TwoNodes } from "./testing/two-nodes.ts";

// Two nodes go from mode to mode, each with the same pods: their tunnels, routes and flows follow. On the kernel's datapath (`npm run test:kernel`).

const skip = withoutKernel;

interface Mode {
  readonly config: Readonly<Record<string, string | number>>;
  /** What the mode carries between these nodes, which have IPv4 addresses alone: `hybrid` routes IPv4 and tunnels IPv6, `noEncap` has no way for IPv6. */
  readonly families: readonly Family[];
}

const modes: readonly Mode[] = [
  { config: { tunnelType: "geneve" }, families: [4, 6] },
  { config: { tunnelType: "vxlan", tunnelPort: 4_790 }, families: [4, 6] },
  { config: { tunnelType: "gre" }, families: [4, 6] },
  { config: { trafficEncapMode: "hybrid" }, families: [4, 6] },
  { config: { trafficEncapMode: "noEncap" }, families: [4] },
];

let nodes: TwoNodes;
before(async () => {
  if (!skip) nodes = await createTwoNodes("mode");
});
after(() => nodes?.remove());

for (const [index, { config, families }] of modes.entries())
  test(`two nodes and their pods, with ${Object.entries(config).flat().join(" ")}`, { skip, timeout: patience(240_000) }, async () => {
    for (const agent of [nodes.a, nodes.b]) await agent.stop("SIGTERM");
    await nodes.start(config);
    if (index === 0) await nodes.addPods();
    await nodes.right(JSON.stringify(config), families);
  });
