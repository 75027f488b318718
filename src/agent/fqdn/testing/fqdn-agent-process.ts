import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { PacketNode } from "../../flows/testing/packet-node.ts";
import { listenerName } from "../index.ts";
import { holdTable } from "./fqdn-agent.ts";

/**
 * The agent of the packet test ({@link startFqdnAgent}) as a process of its own, which can be killed: only of a process that is gone the kernel takes the device that says whether answers
 * are read. Resolves when it holds answers of `subjects`, by flows that ask for that device.
 */
export async function startFqdnProcess({
  node,
  names,
  open,
  subjects,
}: {
  readonly node: PacketNode;
  readonly names: readonly string[];
  readonly open: readonly string[];
  readonly subjects: readonly string[];
}): Promise<ChildProcess> {
  await node.ovs.vsctl("--may-exist", "add-port", "br0", listenerName);
  const program = join(import.meta.dirname, "fqdn-agent-program.ts");
  const words = (name: string, { ofport, mac, addresses }: Omit<PacketNode["gateway"], "name">): string =>
    [name, ofport, mac, ...addresses].join();
  const pods = node.pods.map(({ port }) => words(port.podName, port));
  const parts = [node.ovs.directory, names.join(), open.join(), subjects.join(), words("gw", node.gateway), ...pods];
  const inNode = ["--pdeathsig", "KILL", "ip", "netns", "exec", node.networkNamespace];
  const child = spawn("setpriv", [...inNode, process.execPath, program, ...parts], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  // The flow that asks for the port follows a second later at most.
  while (!(await node.ovs.ofctl("dump-flows", "br0", holdTable)).includes("bundle_load"));
  return child;
}
