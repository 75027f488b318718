import type { LocalPort, RemoteNode } from "#core/pipeline/index.ts";
import { categoryOf } from "#core/pipeline/packet-in/index.ts";
import { type Link, wayBack } from "#core/reject/index.ts";
import { rejectionOf } from "#core/services/index.ts";
import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import { decodeFrame, encodeFrame, type EthernetFrame } from "#lib/packet/index.ts";
import { type Flow, sameFlow } from "#lib/openflow/flow.ts";
import { createMemorySwitch, type SentPacket } from "#lib/openflow/switch/index.ts";
import { seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { createCompiledNode } from "./compiled-node.ts";
import type { FedNode } from "./world-feed.ts";

/** Where a frame left a node: by the port of a pod (`namespace/name`), to the node's own stack, or through the tunnel. */
export interface Departure {
  readonly by: { readonly pod: string } | { readonly gateway: true } | { readonly tunnel: IpAddress };
  readonly frame: EthernetFrame;
}

/** One node without its processes: what the agent compiles of rows and policies, and the switch that executes it. */
export interface MemoryNode extends FedNode {
  readonly gatewayMac: MacAddress;
  /** Puts into the switch what was compiled of all that. */
  realize(): void;
  /** Where a frame leaves; a packet to a Service without endpoints is answered as the agent does. */
  receive(
    from: { readonly pod: string } | { readonly gateway: true } | { readonly tunnel: IpAddress },
    frame: EthernetFrame,
  ): readonly Departure[];
  /** Makes the connection tracker know nothing. */
  forgetConnections(): void;
  /** Of a pod that is here. */
  macOf(pod: string): MacAddress | undefined;
  /** The way of the last frame, in the words of `ofproto/trace`. */
  explain(): string;
  flows(): readonly Flow[];
  /** Whether the fault of {@link MemoryNodeOptions.mutate} makes a difference to what was compiled last. */
  readonly isMutated: boolean;
}

export interface MemoryNodeOptions {
  readonly name: string;
  readonly gateway: readonly IpAddress[];
  readonly transport: IpAddress;
  readonly remote: RemoteNode;
  /** Builds a fault into what was compiled, for tests of tests. */
  readonly mutate?: (flows: readonly Flow[]) => readonly Flow[];
}

const gatewayPort = 2;
const tunnelPort = 1;
const firstPodPort = 10;

export function createMemoryNode({ name, gateway, transport, remote, mutate }: MemoryNodeOptions): MemoryNode {
  const gatewayMac = new MacAddress(0x0200_0000_0000n | (gateway[0]?.value ?? 0n));
  const ports = new Map<string, LocalPort>();
  let nextPort = firstPodPort;
  let isMutated = false;
  const fixedPorts = [
    { number: tunnelPort, name: "tunnel", tunnel: true as const },
    { number: gatewayPort, name: "gateway" },
  ];
  const memory = createMemorySwitch({ clock: virtualClock(), random: seededRandom(1), ports: fixedPorts });
  let last:
    | {
        readonly inPort: number;
        readonly frame: Uint8Array;
        readonly tunnel?: { readonly source: IpAddress; readonly destination: IpAddress };
      }
    | undefined;

  const compiled = createCompiledNode({
    name,
    gateway: { ofport: gatewayPort, mac: gatewayMac, addresses: gateway },
    tunnel: { ofport: tunnelPort },
    remotes: [remote],
  });
  const { ledger, groups } = compiled;
  const linkOf = (port: number): Link | undefined => {
    if (port === tunnelPort) return { kind: "tunnel" };
    const mac = port === gatewayPort ? gatewayMac : [...ports.values()].find(({ ofport }) => ofport === port)?.mac;
    return mac === undefined ? undefined : { kind: "direct", mac };
  };

  return {
    name,
    gatewayMac,
    setPods(pods) {
      for (const key of [...ports.keys()]) if (!pods.has(key)) ports.delete(key);
      for (const [key, addresses] of pods) {
        if (ports.has(key)) continue;
        const [podNamespace = "", podName = ""] = key.split("/");
        const mac = podMac(addresses);
        ports.set(key, { interfaceName: key, ofport: nextPort++, mac, addresses, podNamespace, podName, containerId: key });
      }
      compiled.setPorts([...ports.values()]);
      memory.setPorts([
        ...fixedPorts,
        ...[...ports.values()].map(({ ofport, interfaceName }) => ({ number: ofport, name: interfaceName })),
      ]);
    },
    setServices: (services) => compiled.setServices(services),
    deliver: (changes) => compiled.deliver(changes),
    realize() {
      compiled.compile();
      const { add, remove } = ledger.takeChange();
      const groupChange = groups.takeChange();
      memory.apply(groupChange.put.map((group) => ({ command: "add_or_modify" as const, group })));
      if (mutate === undefined) {
        memory.apply([
          ...add.map((flow) => ({ command: "add" as const, flow })),
          ...remove.map((flow) => ({ command: "delete_strict" as const, flow })),
        ]);
      } else {
        const everything: Flow = { table: 255, priority: 0, cookie: 0n, match: {}, actions: [] };
        const compiled = [...ledger.flows()].map(([, flow]) => flow);
        const flows = mutate(compiled);
        isMutated = flows.length !== compiled.length || flows.some((flow, index) => !isSame(flow, compiled[index]));
        memory.apply([{ command: "delete", flow: everything }, ...flows.map((flow) => ({ command: "add" as const, flow }))]);
      }
      memory.apply(groupChange.remove.map((group) => ({ command: "delete" as const, group })));
      compiled.settle();
    },
    receive(from, frame) {
      const inPort = "pod" in from ? (ports.get(from.pod)?.ofport ?? 0) : "gateway" in from ? gatewayPort : tunnelPort;
      last = {
        inPort,
        frame: encodeFrame(frame),
        ...("tunnel" in from ? { tunnel: { source: from.tunnel, destination: transport } } : {}),
      };
      const { outputs, packetIns } = memory.process(last);
      const refused = packetIns.flatMap(({ userdata, packet, metadata }) => {
        if (categoryOf(userdata) === "serviceReject") return [{ port: inPort, frame: rejectionOf(packet) }];
        if (categoryOf(userdata) !== "reject") return [];
        const answer = wayBack({ packet, metadata }, { because: "a policy forbids it", linkOf });
        // Out by the port that the packet came in by, to the node that it came from.
        return [
          { port: inPort, frame: answer?.packet, ...("tunnel" in from ? { tunnel: { source: transport, destination: from.tunnel } } : {}) },
        ];
      });
      const answers = refused.flatMap(({ frame: answer, ...rest }) => (answer === undefined ? [] : [{ ...rest, frame: answer }]));
      return [...outputs, ...answers].map(({ port, frame: bytes, tunnel }: SentPacket): Departure => {
        const left = decodeFrame(bytes);
        if (left === undefined) throw new TypeError("a frame left that is none");
        if (port === gatewayPort) return { by: { gateway: true }, frame: left };
        if (port === tunnelPort) return { by: { tunnel: tunnel?.destination ?? transport }, frame: left };
        const pod = [...ports].find(([, { ofport }]) => ofport === port);
        if (pod === undefined) throw new RangeError(`a frame left by port ${port}, which nobody has`);
        return { by: { pod: pod[0] }, frame: left };
      });
    },
    macOf: (pod) => ports.get(pod)?.mac,
    get isMutated() {
      return isMutated;
    },
    forgetConnections: () => memory.flushConnections({}),
    explain: () => (last === undefined ? "" : memory.process(last, { trace: true }).trace),
    flows: () => [...ledger.flows()].map(([, flow]) => flow),
  };
}

/** As the agent makes it: of the first address. */
export const podMac = ([address]: readonly IpAddress[]): MacAddress =>
  new MacAddress(0x0a58_0000_0000n | ((address?.value ?? 0n) & 0xffff_ffffn));

const isSame = (one: Flow, other: Flow | undefined): boolean => one === other || (other !== undefined && sameFlow(one, other));
