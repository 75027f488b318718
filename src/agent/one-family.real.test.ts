import { after, test } from "node:test";
import type { Family } from "#lib/ip/index.ts";
import { withoutKernel } from "#lib/openflow/testing/datapath.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { createTwoNodes, type TwoNodes } from "./testing/two-nodes.ts";

// Clusters of one family: nodes and pods have addresses of that one alone. On the kernel's datapath (`npm run test:kernel`); GRE is not there over IPv6.

const skip = withoutKernel;
const clusters: readonly { readonly family: Family; readonly configs: readonly Readonly<Record<string, string>>[] }[] = [
  { family: 4, configs: [{ tunnelType: "geneve" }, { trafficEncapMode: "noEncap" }] },
  { family: 6, configs: [{ tunnelType: "geneve" }, { tunnelType: "vxlan" }, { trafficEncapMode: "noEncap" }] },
];

const made = new Map<Family, TwoNodes>();
after(async () => {
  for (const nodes of made.values()) await nodes.remove();
});

for (const { family, configs } of clusters)
  for (const [index, config] of configs.entries())
    test(`IPv${family} alone, with ${Object.entries(config).flat().join(" ")}`, { skip, timeout: patience(240_000) }, async () => {
      const nodes = made.get(family) ?? (await createTwoNodes(`only${family}`, { families: [family] }));
      made.set(family, nodes);
      for (const agent of [nodes.a, nodes.b]) await agent.stop("SIGTERM");
      await nodes.start(config);
      if (index === 0) await nodes.addPods();
      await nodes.right(JSON.stringify(config));
    });
