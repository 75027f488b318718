import { createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import { podMac } from "#core/policy/cases/memory-node.ts";
import type { FedNode } from "#core/policy/cases/world-feed.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import type { PrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { reconcileFlows } from "../../flows/reconciler.ts";
import { tracksSctpPorts } from "../../ovs/sctp-tracking.ts";
import { answerRejected } from "../../packet-in/index.ts";
import type { SwitchControl } from "../../platform.ts";
import { answerUnserved } from "../../services/index.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };

/** Ports of a node's bridge. Pods have those from `firstPod` on. */
export const nodePorts = { tunnel: 1, gateway: 2, firstPod: 10, pods: 16 } as const;

/** A node that is a bridge of a real switch, with what an agent compiles, writes and answers there. */
export interface SwitchNode extends FedNode {
  readonly bridge: string;
  readonly gatewayMac: MacAddress;
  /** Resolves when the bridge does what was compiled of all that the node was told. */
  realize(): Promise<void>;
  /** The port of a pod that is here. */
  portOf(pod: string): LocalPort | undefined;
  /** The pod at a port, by `namespace/name`. */
  podAt(ofport: number): string | undefined;
}

export interface SwitchNodeOptions {
  readonly name: string;
  readonly ovs: PrivateSwitch;
  readonly bridge: string;
  readonly gateway: readonly IpAddress[];
  readonly remote: RemoteNode;
  readonly signal: AbortSignal;
}

export async function createSwitchNode({ name, ovs, bridge, gateway, remote, signal }: SwitchNodeOptions): Promise<SwitchNode> {
  const gatewayMac = new MacAddress(0x0200_0000_0000n | (gateway[0]?.value ?? 0n));
  const connect = (giveUp: AbortSignal) => connectOpenFlow({ runtime, path: ovs.management(bridge), signal: giveUp });
  const control: SwitchControl = (command, args = []) => ovs.appctl(command, ...args);
  const tracksSctp = await tracksSctpPorts({ connect, control, logger: silentLogger, signal });
  const ends = { gateway: { ofport: nodePorts.gateway, mac: gatewayMac, addresses: gateway }, tunnel: { ofport: nodePorts.tunnel } };
  const compiled = createCompiledNode({
    name,
    ...ends,
    remotes: [remote],
    pipeline: createPipeline({ datapath: testDatapath, tracksSctp }),
  });
  const { ledger, groups, tables, learned } = compiled;
  const reconciler = reconcileFlows({ runtime, ledger, groups, connect, tables, learned, signal });
  reconciler.complete();
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  answerRejected({ runtime, connect, ports, ...ends, rate: 0, signal });
  answerUnserved({ runtime, connect, signal });
  const free = Array.from({ length: nodePorts.pods }, (_, index) => nodePorts.firstPod + index);
  return {
    name,
    bridge,
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
        if (ofport === undefined) throw new RangeError(`${name} has more than ${nodePorts.pods} pods`);
        const [podNamespace = "", podName = ""] = pod.split("/");
        ports.upsert({ interfaceName: pod, ofport, mac: podMac(addresses), addresses, podNamespace, podName, containerId: pod });
      }
      compiled.setPorts([...ports.rows()]);
    },
    setServices: (services) => compiled.setServices(services),
    deliver: (changes) => compiled.deliver(changes),
    async realize() {
      compiled.compile();
      await reconciler.whenApplied();
      compiled.settle();
    },
    portOf: (pod) => ports.get(pod),
    podAt: (ofport) => [...ports.rows()].find((port) => port.ofport === ofport)?.interfaceName,
  };
}
