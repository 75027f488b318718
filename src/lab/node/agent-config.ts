import { access } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { LabPaths, NodePaths } from "../paths.ts";

/** `antrea-agent.conf` of a lab node: what a user of such a node would write, with every path inside the node's folder. */
export function agentConfig({ paths, node }: { readonly paths: LabPaths; readonly node: NodePaths }): string {
  return stringify({
    ovsBridge: "br-int",
    ovsDatapathType: "netdev",
    ovsRunDir: node.ovs,
    runDir: node.agent,
    cniSocket: join(node.agent, "cni.sock"),
    hostProcPathPrefix: "",
    transportInterface: "br-phy",
    trafficEncapMode: "encap",
    tunnelType: "geneve",
    apiPort: 10350,
    clientConnection: { kubeconfig: paths.kubeconfig("antrea-agent") },
    antreaClientConnection: { kubeconfig: paths.kubeconfig("antrea-agent-controller") },
  });
}

/** `10-antrea.conflist` as the sheet has it, with the agent's socket named: several agents share this machine. */
export function cniConflist(node: NodePaths): string {
  const antrea = { type: "antrea", ipam: { type: "host-local" }, agentSocket: join(node.agent, "cni.sock") };
  return `${JSON.stringify({ cniVersion: "1.0.0", name: "antrea", plugins: [antrea] }, undefined, 2)}\n`;
}

/** Fails until the agent serves its CNI socket and its API. */
export function agentApiReady(node: NodePaths): () => Promise<void> {
  return async () => {
    await Promise.all([access(join(node.agent, "apiserver", "loopback-client-token")), access(join(node.agent, "cni.sock"))]);
  };
}
