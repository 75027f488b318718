import type { PolicyChanges } from "../changes.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  type LocalPort,
  type RemoteNode,
} from "#core/pipeline/index.ts";
import { createPolicyCompiler } from "#core/pipeline/policy/index.ts";
import { type IpAddress, MacAddress } from "#lib/ip/index.ts";
import { decodeFrame, encodeFrame, type EthernetFrame } from "#lib/packet/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { createMemorySwitch } from "#lib/openflow/switch/index.ts";
import { seededRandom, virtualClock } from "#lib/runtime/index.ts";

/** Where a frame left a node: by the port of a pod (`namespace/name`), to the node's own stack, or through the tunnel. */
export interface Departure {
  readonly by: { readonly pod: string } | { readonly gateway: true } | { readonly tunnel: IpAddress };
  readonly frame: EthernetFrame;
}

/** One node without its processes: what the agent compiles of rows and policies, and the switch that executes it. */
export interface MemoryNode {
  readonly name: string;
  readonly gatewayMac: MacAddress;
  /** Makes the pods of the node exactly these, each with its addresses. */
  setPods(pods: ReadonlyMap<string, readonly IpAddress[]>): void;
  /** Takes what the engine published for the node. */
  deliver(changes: PolicyChanges): void;
  /** Puts into the switch what was compiled of all that. */
  realize(): void;
  receive(
    from: { readonly pod: string } | { readonly gateway: true } | { readonly tunnel: IpAddress },
    frame: EthernetFrame,
  ): readonly Departure[];
  /** Makes the connection tracker know nothing. */
  forgetConnections(): void;
  /** The way of the last frame, in the words of `ofproto/trace`. */
  explain(): string;
  flows(): readonly Flow[];
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
  const pipeline = createPipeline();
  const ledger = createFlowLedger();
  const compiler = createPolicyCompiler({ pipeline, ledger });
  const gatewayMac = new MacAddress(0x0200_0000_0000n | (gateway[0]?.value ?? 0n));
  const ports = new Map<string, LocalPort>();
  let nextPort = firstPodPort;
  const fixedPorts = [
    { number: tunnelPort, name: "tunnel", tunnel: true as const },
    { number: gatewayPort, name: "gateway" },
  ];
  const memory = createMemorySwitch({ clock: virtualClock(), random: seededRandom(1), ports: fixedPorts });
  const known = { policies: new Set<string>(), addressGroups: new Set<string>(), appliedToGroups: new Set<string>() };
  let last:
    | {
        readonly inPort: number;
        readonly frame: Uint8Array;
        readonly tunnel?: { readonly source: IpAddress; readonly destination: IpAddress };
      }
    | undefined;

  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, { ofport: gatewayPort, mac: gatewayMac, addresses: gateway }));
  ledger.set("tunnel", compileTunnel(pipeline, { ofport: tunnelPort }));
  ledger.set("remote", compileRemoteNode(pipeline, remote, { ofport: tunnelPort }));

  return {
    name,
    gatewayMac,
    setPods(pods) {
      for (const key of [...ports.keys()])
        if (!pods.has(key)) {
          ports.delete(key);
          ledger.remove(`port/${key}`);
          compiler.removePort(key);
        }
      for (const [key, addresses] of pods) {
        if (ports.has(key)) continue;
        const [podNamespace = "", podName = ""] = key.split("/");
        const ofport = nextPort++;
        const mac = podMac(addresses);
        const port: LocalPort = { interfaceName: key, ofport, mac, addresses, podNamespace, podName, containerId: key };
        ports.set(key, port);
        ledger.set(`port/${key}`, compileLocalPort(pipeline, port));
        compiler.setPort(port);
      }
      memory.setPorts([
        ...fixedPorts,
        ...[...ports.values()].map(({ ofport, interfaceName }) => ({ number: ofport, name: interfaceName })),
      ]);
    },
    deliver(changes) {
      for (const { name: policy, row, gained, lost, event, contentChanged } of changes.policies) {
        if (lost.includes(name) || (event === "deleted" && known.policies.has(policy))) {
          known.policies.delete(policy);
          compiler.removePolicy(policy);
        } else if (gained.includes(name) || (known.policies.has(policy) && contentChanged)) {
          known.policies.add(policy);
          compiler.setPolicy(row);
        }
      }
      for (const change of changes.addressGroups) {
        if (change.lost.includes(name)) {
          known.addressGroups.delete(change.name);
          compiler.removeAddressGroup(change.name);
        } else if (change.gained.includes(name)) {
          known.addressGroups.add(change.name);
          compiler.setAddressGroup(change.group());
        } else if (known.addressGroups.has(change.name)) compiler.patchAddressGroup({ ...change, uid: change.name });
      }
      for (const change of changes.appliedToGroups) {
        if (change.lost.includes(name)) {
          known.appliedToGroups.delete(change.name);
          compiler.removeAppliedToGroup(change.name);
        } else if (change.gained.includes(name)) {
          known.appliedToGroups.add(change.name);
          compiler.setAppliedToGroup(change.group(name));
        } else if (known.appliedToGroups.has(change.name)) {
          const { added = [], removed = [] } = change.byNode.get(name) ?? {};
          compiler.patchAppliedToGroup({ name: change.name, uid: change.name, added, removed });
        }
      }
    },
    realize() {
      compiler.compile();
      const { add, remove } = ledger.takeChange();
      if (mutate === undefined) {
        memory.apply([
          ...add.map((flow) => ({ command: "add" as const, flow })),
          ...remove.map((flow) => ({ command: "delete_strict" as const, flow })),
        ]);
      } else {
        const everything: Flow = { table: 255, priority: 0, cookie: 0n, match: {}, actions: [] };
        const flows = mutate([...ledger.flows()].map(([, flow]) => flow));
        memory.apply([{ command: "delete", flow: everything }, ...flows.map((flow) => ({ command: "add" as const, flow }))]);
      }
      compiler.settle();
    },
    receive(from, frame) {
      const inPort = "pod" in from ? (ports.get(from.pod)?.ofport ?? 0) : "gateway" in from ? gatewayPort : tunnelPort;
      last = {
        inPort,
        frame: encodeFrame(frame),
        ...("tunnel" in from ? { tunnel: { source: from.tunnel, destination: transport } } : {}),
      };
      return memory.process(last).outputs.map(({ port, frame: bytes, tunnel }): Departure => {
        const left = decodeFrame(bytes);
        if (left === undefined) throw new TypeError("a frame left that is none");
        if (port === gatewayPort) return { by: { gateway: true }, frame: left };
        if (port === tunnelPort) return { by: { tunnel: tunnel?.destination ?? transport }, frame: left };
        const pod = [...ports].find(([, { ofport }]) => ofport === port);
        if (pod === undefined) throw new RangeError(`a frame left by port ${port}, which nobody has`);
        return { by: { pod: pod[0] }, frame: left };
      });
    },
    forgetConnections: () => memory.flushConnections({}),
    explain: () => (last === undefined ? "" : memory.process(last, { trace: true }).trace),
    flows: () => [...ledger.flows()].map(([, flow]) => flow),
  };
}

/** As the agent makes it: of the first address. */
export const podMac = ([address]: readonly IpAddress[]): MacAddress =>
  new MacAddress(0x0a58_0000_0000n | ((address?.value ?? 0n) & 0xffff_ffffn));
