import { createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import { podMac } from "#core/policy/cases/memory-node.ts";
import type { FedNode } from "#core/policy/cases/world-feed.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { onTestMachine } from "#lib/openflow/testing/test-machine.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { reconcileFlows } from "../../flows/reconciler.ts";
import { metersToUse } from "../../ovs/meters.ts";
import { tracksSctpPorts } from "../../ovs/sctp-tracking.ts";
import { answerRejected } from "../../packet-in/index.ts";
import type { SwitchControl } from "../../platform.ts";
import { answerUnserved } from "../../services/index.ts";
import { layWires, type Wires } from "./wires.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

/** Ports of a node's bridge. Pods have those from `firstPod` on. */
export const nodePorts = { tunnel: 1, gateway: 2, firstPod: 10, pods: 16 } as const;

/** As an agent has it by default. */
const packetInRate = 5_000;
export const bridge = "br-int";
const gathers = "br-wires";

/** A node that is a real switch of its own, connection tracker and all, with what an agent compiles, writes and answers there. Needs root. */
export interface SwitchNode extends FedNode {
  readonly networkNamespace: string;
  readonly ovs: PrivateSwitch;
  readonly wires: Wires;
  readonly gatewayMac: MacAddress;
  /** Resolves when the bridge does what was compiled of all that the node was told. */
  realize(): Promise<void>;
  /** Ends what compiles and writes, and starts it anew, with no memory but the switch: it has to be told all before it is to {@link SwitchNode.realize}. */
  restart(): void;
  /** The port of a pod that is here. */
  portOf(pod: string): LocalPort | undefined;
  /** The pod at a port, by `namespace/name`. */
  podAt(ofport: number): string | undefined;
  remove(): Promise<void>;
}

export interface SwitchNodeOptions {
  readonly name: string;
  readonly networkNamespace: string;
  readonly gateway: readonly IpAddress[];
  readonly remote: RemoteNode;
  /** Most that it may have. Default {@link nodePorts.pods}. */
  readonly pods?: number;
}

export async function createSwitchNode(options: SwitchNodeOptions): Promise<SwitchNode> {
  const { networkNamespace } = options;
  await onTestMachine("ip", ["netns", "add", networkNamespace]);
  const stop = new AbortController();
  let ovs: PrivateSwitch | undefined;
  const remove = async (): Promise<void> => {
    stop.abort();
    await ovs?.stop();
    await onTestMachine("ip", ["netns", "del", networkNamespace]);
  };
  try {
    ovs = await startPrivateSwitch({ datapath: "devices", networkNamespace, bridges: [bridge, gathers] });
    return { ...(await program(options, ovs, stop.signal)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Lays a cable between two nodes, and tunnels over it. In user space a tunnel needs the cable's end inside the switch. */
export async function joinNodes(nodes: readonly { readonly node: SwitchNode; readonly transport: IpAddress }[]): Promise<void> {
  const [one, two] = nodes.map(({ node }) => ["name", "up0", "netns", node.networkNamespace]);
  await onTestMachine("ip", ["link", "add", ...(one ?? []), "type", "veth", "peer", ...(two ?? [])]);
  const link = testDatapath === "system" ? "up0" : "br-phy";
  const connectNode = async ({ node: { networkNamespace, ovs }, transport }: (typeof nodes)[number]): Promise<void> => {
    if (link !== "up0")
      await ovs.vsctl("add-br", link, "--", "set", "bridge", link, `datapath_type=${testDatapath}`, "--", "add-port", link, "up0");
    const commands = ["link set up0 up", `address add ${transport}/24 dev ${link}`, `link set ${link} up`];
    await onTestMachine("ip", ["-n", networkNamespace, "-batch", "-"], { input: `${commands.join("\n")}\n` });
    const tunnel = ["type=geneve", "options:remote_ip=flow", "options:key=flow", `ofport_request=${nodePorts.tunnel}`];
    await ovs.vsctl("add-port", bridge, "tunnel", "--", "set", "Interface", "tunnel", ...tunnel);
  };
  await Promise.all(nodes.map(connectNode));
  if (testDatapath === "system") return;
  // The switch loses packets until it knows whom they go to.
  for (const { node, transport } of nodes) {
    const stdout = await onTestMachine("ip", ["-n", node.networkNamespace, "-j", "link", "show", link]);
    const [{ address } = { address: "" }] = JSON.parse(stdout) as { readonly address: string }[];
    for (const { node: other } of nodes) if (other !== node) await other.ovs.appctl("tnl/neigh/set", link, String(transport), address);
  }
}

async function program(
  { name, networkNamespace, gateway, remote, pods: most = nodePorts.pods }: SwitchNodeOptions,
  ovs: PrivateSwitch,
  signal: AbortSignal,
): Promise<Omit<SwitchNode, "remove">> {
  const podPorts = Array.from({ length: most }, (_, index) => nodePorts.firstPod + index);
  const wires = await layWires({ ovs, networkNamespace, bridge, gathers, ofports: [nodePorts.gateway, ...podPorts] });
  signal.addEventListener("abort", () => wires.close(), { once: true });
  const gatewayMac = new MacAddress(0x0200_0000_0000n | (gateway[0]?.value ?? 0n));
  const connect = (giveUp: AbortSignal) => connectOpenFlow({ runtime, path: ovs.management(bridge), signal: giveUp });
  const control: SwitchControl = (command, args = []) => ovs.appctl(command, ...args);
  const tracksSctp = await tracksSctpPorts({ connect, control, logger: silentLogger, signal });
  const meters = await metersToUse(compilePacketInMeters(packetInRate), { connect, logger: silentLogger, signal });
  const ends = { gateway: { ofport: nodePorts.gateway, mac: gatewayMac, addresses: gateway }, tunnel: { ofport: nodePorts.tunnel } };
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const free = [...podPorts];
  /** What an agent does with the switch; the next one finds what this one made there. */
  const startWriter = () => {
    const stop = new AbortController();
    const ending = AbortSignal.any([signal, stop.signal]);
    const compiled = createCompiledNode({
      name,
      ...ends,
      remotes: [remote],
      pipeline: createPipeline({ datapath: testDatapath, tracksSctp }),
      metered: meters.length > 0,
    });
    const { ledger, groups, tables, learned } = compiled;
    const reconciler = reconcileFlows({ runtime, ledger, groups, meters, connect, tables, learned, signal: ending });
    answerRejected({ runtime, connect, ports, ...ends, rate: 0, signal: ending });
    answerUnserved({ runtime, connect, signal: ending });
    return { compiled, reconciler, end: () => stop.abort() };
  };
  let writer = startWriter();
  return {
    name,
    networkNamespace,
    ovs,
    wires,
    gatewayMac,
    setPods(pods) {
      for (const { interfaceName, ofport } of [...ports.rows()])
        if (!pods.has(interfaceName)) {
          ports.delete(interfaceName);
          free.push(ofport);
        }
      for (const [pod, addresses] of pods) {
        if (ports.get(pod) !== undefined) continue;
        const ofport = free.shift();
        if (ofport === undefined) throw new RangeError(`${name} has more than ${most} pods`);
        const [podNamespace = "", podName = ""] = pod.split("/");
        ports.upsert({ interfaceName: pod, ofport, mac: podMac(addresses), addresses, podNamespace, podName, containerId: pod });
      }
      writer.compiled.setPorts([...ports.rows()]);
    },
    setServices: (services) => writer.compiled.setServices(services),
    deliver: (changes) => writer.compiled.deliver(changes),
    async realize() {
      const { compiled, reconciler } = writer;
      compiled.compile();
      // Nothing may be deleted before all is known.
      reconciler.complete();
      await reconciler.whenApplied();
      compiled.settle();
    },
    restart() {
      writer.end();
      writer = startWriter();
    },
    portOf: (pod) => ports.get(pod),
    podAt: (ofport) => [...ports.rows()].find((port) => port.ofport === ofport)?.interfaceName,
  };
}
