import { access } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type AgentOptions, datapathOf, isChained } from "../agent-options.ts";
import { merge } from "../config-options.ts";
import type { LabPaths, NodePaths } from "../paths.ts";

/** `antrea-agent.conf` of a lab node: what a user of such a node would write, with every path inside the node's folder, and what the lab's user wants beside. */
export function agentConfig({
  paths,
  node,
  options,
}: {
  readonly paths: LabPaths;
  readonly node: NodePaths;
  readonly options: AgentOptions;
}): string {
  const lab = {
    ovsBridge: "br-int",
    ovsDatapathType: datapathOf(options),
    ovsRunDir: node.ovs,
    runDir: node.agent,
    logDir: join(node.agent, "log"),
    cniSocket: join(node.agent, "cni.sock"),
    hostProcPathPrefix: "",
    // Blocks, where the user gives some, choose in its place.
    ...(options.transportInterfaceCIDRs === undefined ? { transportInterface: datapathOf(options) === "system" ? "eth0" : "br-phy" } : {}),
    apiPort: 10350,
    clientConnection: { kubeconfig: paths.kubeconfig("antrea-agent") },
  };
  return stringify(merge(lab, options));
}

/**
 * `10-antrea.conflist` as the sheet has it, with the agent's socket named: several agents share this machine. With `networkPolicyOnly` the stock `ptp`
 * plugin makes the pods' interfaces, in the node's blocks `podCidrs`, before ours.
 */
export function cniConflist({
  node,
  options,
  podCidrs,
}: {
  readonly node: NodePaths;
  readonly options: AgentOptions;
  readonly podCidrs: readonly string[];
}): string {
  const agentSocket = join(node.agent, "cni.sock");
  const addresses = {
    type: "host-local",
    dataDir: join(node.agent, "host-local"),
    ranges: podCidrs.map((subnet) => [{ subnet }]),
    routes: podCidrs.map((subnet) => ({ dst: subnet.includes(":") ? "::/0" : "0.0.0.0/0" })),
  };
  const first = isChained(options)
    ? [
        { type: "ptp", ipam: addresses },
        { type: "antrea", agentSocket },
      ]
    : [{ type: "antrea", ipam: { type: "host-local" }, agentSocket }];
  const chained = [
    { type: "portmap", capabilities: { portMappings: true } },
    { type: "bandwidth", capabilities: { bandwidth: true } },
  ];
  return `${JSON.stringify({ cniVersion: "1.0.0", name: "antrea", plugins: [...first, ...chained] }, undefined, 2)}\n`;
}

/** Fails until the agent serves its CNI socket and its API. */
export function agentApiReady(node: NodePaths): () => Promise<void> {
  return async () => {
    await Promise.all([access(join(node.agent, "apiserver", "loopback-client-token")), access(join(node.agent, "cni.sock"))]);
  };
}
