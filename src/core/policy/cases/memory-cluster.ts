import { hostMarkMac, tunnelMac } from "#core/pipeline/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type Family, type IpAddress, type MacAddress, parseAddress } from "#lib/ip/index.ts";
import type { EthernetFrame, Ipv4Packet, Ipv6Packet, NetworkPacket, TransportPacket } from "#lib/packet/index.ts";
import { keyOf } from "#lib/kube/index.ts";
import { resolveService } from "#core/services/index.ts";
import { createPolicyObjects, type PolicyObjectKind, type PolicyObjectKinds } from "../index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { Verdict } from "./case.ts";
import { endpointSlicesOf } from "./endpoint-slices.ts";
import { servedPorts } from "./fixture.ts";
import { createMemoryNode, type MemoryNode, podMac } from "./memory-node.ts";
import { isService } from "./notation.ts";
import type { World } from "./reference.ts";
import { answerPacket, firstPacket, ipPacket, nextPacket, type Question } from "./questions.ts";

/** An end of a conversation: a pod (`namespace/name`), a node's own stack (`node-1`), or as a receiver a Service (`svc(namespace/name)`). */
export interface MemoryEnd {
  readonly name: string;
  /** The node whose switch is asked first. */
  readonly node: string;
}

/** Engine, compiler and two switches in memory, joined by their tunnel ports: a cluster without processes, time or chance. */
export interface MemoryCluster {
  /** Makes everything as `world` says. */
  become(world: World): void;
  /** Sends the first packet of a conversation and, where it arrives, the answer of its receiver and what follows. */
  ask(from: MemoryEnd, to: MemoryEnd, question: Question): Verdict;
  /** One more packet each way over a conversation that stands; false when one of them does not arrive. */
  talk(from: MemoryEnd, to: MemoryEnd, question: Question): boolean;
  /** Sends a packet of a conversation; true when it arrives. */
  say(from: MemoryEnd, to: MemoryEnd, packet: NetworkPacket): boolean;
  /** The same for a packet that comes to a node from outside, or leaves for it: the node's stack forwards it. */
  forward(node: string, to: MemoryEnd, packet: NetworkPacket): boolean;
  /** How the last packet went, in the words of `ofproto/trace`. */
  explain(): string;
  readonly nodes: readonly MemoryNode[];
}

const nodeNames = ["node-1", "node-2"] as const;
const transportOf: Readonly<Record<string, IpAddress>> = { "node-1": parseAddress("172.31.0.11"), "node-2": parseAddress("172.31.0.12") };

export function createMemoryCluster({ mutate }: { readonly mutate?: (flows: readonly Flow[]) => readonly Flow[] } = {}): MemoryCluster {
  const objects = createPolicyObjects();
  const nodes = nodeNames.map((name) => {
    const other = name === "node-1" ? "node-2" : "node-1";
    return createMemoryNode({
      name,
      gateway: [4, 6].map((family) => gatewayOf(name, family as Family)),
      transport: transportAddress(name),
      remote: { name: other, podCIDRs: [podCidrs[other][4], podCidrs[other][6]], transportAddresses: [transportAddress(other)] },
      ...(mutate === undefined ? {} : { mutate }),
    });
  });
  const macs = new Map<string, MacAddress>();
  /** What the engine has, by kind and key. */
  let present: ReadonlyMap<string, () => void> = new Map();
  let lastNode: MemoryNode | undefined;

  /** Carries a frame from its sender until it is received or ends: who has it then, and what it has become. */
  const carry = (from: MemoryEnd, frame: EthernetFrame): Arrival | undefined => {
    let node = nodeCalled(nodes, from.node);
    let out = node.receive(isPod(from) ? { pod: from.name } : { gateway: true }, frame);
    lastNode = node;
    // A packet that is rejected at its other end comes back.
    for (let hops = 0; hops < 2 * nodeNames.length; hops++) {
      const [departure, ...more] = out;
      if (departure === undefined) return undefined;
      if (more.length > 0) throw new RangeError("a frame left by two ports");
      const { payload } = departure.frame;
      if (payload.kind !== "ipv4" && payload.kind !== "ipv6") throw new RangeError("a frame left that is not IP");
      if ("pod" in departure.by) return { end: departure.by.pod, packet: payload };
      if ("gateway" in departure.by) return { end: node.name, packet: payload };
      const target = departure.by.tunnel;
      const next = nodes.find(({ name }) => transportAddress(name).equals(target));
      if (next === undefined) throw new RangeError(`a frame left for ${target}, which is no node`);
      out = next.receive({ tunnel: transportAddress(node.name) }, departure.frame);
      node = next;
      lastNode = node;
    }
    throw new RangeError("a frame goes between nodes for ever");
  };
  const macOf = (end: MemoryEnd): MacAddress => macs.get(end.name) ?? nodeCalled(nodes, end.node).gatewayMac;
  const hand = (from: MemoryEnd, to: MemoryEnd, payload: NetworkPacket, source: MacAddress): Arrival | undefined => {
    // To the pod beside it, to its gateway, or to the other node's. A pod knows itself by no address that it would send to.
    const beside = from.node === to.node && from.name !== to.name && isPod(to);
    const destination = beside ? macOf(to) : isPod(from) ? nodeCalled(nodes, from.node).gatewayMac : tunnelMac;
    const arrival = carry(from, { source, destination, payload });
    const arrives = isService(to.name) || arrival?.end === to.name || (arrival?.end === from.name && isRefusal(arrival.packet));
    return arrives ? arrival : undefined;
  };
  // What a node's stack begins carries the mark of the userspace datapath; what it answers does not.
  const say = (from: MemoryEnd, to: MemoryEnd, packet: NetworkPacket): Arrival | undefined =>
    hand(from, to, packet, isPod(from) ? macOf(from) : hostMarkMac);
  const reply = (from: MemoryEnd, to: MemoryEnd, packet: NetworkPacket): Arrival | undefined => hand(from, to, packet, macOf(from));
  /** Whether what the receiver says to a packet as it arrived is heard, from the address that was asked. */
  const answered = ({ end, packet }: Arrival, { from, to, question, payload }: Answering): boolean => {
    const receiver = isService(to.name) ? { name: end, node: nodes.find((node) => node.has(end))?.name ?? from.node } : to;
    const heard = reply(receiver, from, ipPacket(packet.destination, packet.source, payload));
    return heard?.packet.source.equals(question.destination) === true;
  };

  return {
    nodes,
    become(world) {
      const { pods, services = [] } = world;
      const now = new Map<string, () => void>();
      const give = <Kind extends PolicyObjectKind>(kind: Kind, given: readonly PolicyObjectKinds[Kind][] = []): void => {
        for (const object of given) {
          const key = keyOf(object);
          now.set(`${kind} ${key}`, () => objects.apply(kind, key, undefined));
          objects.apply(kind, key, object);
        }
      };
      give(
        "K8sNetworkPolicy",
        world.policies.map((policy) => ({ ...policy, metadata: { ...policy.metadata, uid: keyOf(policy) } })),
      );
      const [ofClusters, ofNamespaces] = [undefined, "any"].map((scope) =>
        (world.antreaPolicies ?? []).filter(({ metadata }) => (metadata.namespace === undefined) === (scope === undefined)),
      );
      give("AntreaClusterNetworkPolicy", ofClusters);
      give("AntreaNetworkPolicy", ofNamespaces);
      give("K8sClusterNetworkPolicy", world.clusterNetworkPolicies);
      give("AdminNetworkPolicy", world.adminNetworkPolicies);
      give("BaselineAdminNetworkPolicy", world.baselineAdminNetworkPolicies);
      give("Tier", world.tiers);
      give("ClusterGroup", world.clusterGroups);
      give("Group", world.groups);
      give("Namespace", world.namespaces);
      give("Service", services);
      give("Node", world.nodes);
      give("Pod", pods);
      for (const [name, remove] of present) if (!now.has(name)) remove();
      present = now;
      const changes = objects.flush();
      for (const node of nodes) {
        node.deliver(changes);
        const local = pods.filter(
          ({ spec, status }) =>
            spec.nodeName === node.name && spec.hostNetwork !== true && status?.phase !== "Succeeded" && status?.phase !== "Failed",
        );
        const addresses = new Map(
          local.map(({ metadata, status }) => [
            `${metadata.namespace}/${metadata.name}`,
            (status?.podIPs ?? []).map(({ ip }) => parseAddress(ip)),
          ]),
        );
        for (const [name, own] of addresses) macs.set(name, podMac(own));
        node.setPods(addresses);
        node.setServices(
          new Map(
            services.map((service) => [
              `${service.metadata.namespace}/${service.metadata.name}`,
              resolveService(service, endpointSlicesOf(service, pods), { node: node.name }).frontends,
            ]),
          ),
        );
        node.realize();
      }
    },
    say: (from, to, packet) => say(from, to, packet) !== undefined,
    forward: (node, to, packet) => reply({ name: node, node }, to, packet) !== undefined,
    talk(from, to, question) {
      const { source, destination, protocol } = question;
      const there = say(from, to, ipPacket(source, destination, protocol === "tcp" ? nextPacket(question) : firstPacket(question)));
      if (there === undefined) return false;
      const port = destinationPortOf(there.packet) ?? question.port;
      const backwards = { ...question, port: question.sourcePort, sourcePort: port };
      return answered(there, { from, to, question, payload: protocol === "tcp" ? nextPacket(backwards) : firstPacket(backwards) });
    },
    ask(from, to, question) {
      const { source, destination } = question;
      // A.7.1: it never leaves the pod.
      if (source.equals(destination)) return "ok";
      // Without ports, all packets between two addresses are one connection: an earlier one, the other way round perhaps.
      if (question.protocol === "ip") for (const node of nodes) node.forgetConnections();
      const there = say(from, to, ipPacket(source, destination, firstPacket(question)));
      if (there === undefined) return "drop";
      if (isRefusal(there.packet)) return "refused";
      const port = destinationPortOf(there.packet) ?? question.port;
      // What the receiver sees: a Service's endpoint has its own address and port, and a pod that reaches itself another client.
      const { source: client, destination: receiver } = there.packet;
      const seen = { ...question, source: client, destination: receiver, port, served: isServed(question.protocol, port) };
      if (!answered(there, { from, to, question, payload: answerPacket(seen) })) return "drop";
      if (!seen.served) return "refused";
      if (question.protocol === "tcp" && !say(from, to, ipPacket(source, destination, nextPacket(question)))) return "drop";
      return "ok";
    },
    explain: () => lastNode?.explain() ?? "",
  };
}

/** Who has a packet in the end, and how it came there. */
interface Arrival {
  readonly end: string;
  readonly packet: Ipv4Packet | Ipv6Packet;
}

interface Answering {
  readonly from: MemoryEnd;
  readonly to: MemoryEnd;
  readonly question: Question;
  readonly payload: TransportPacket;
}

const isServed = (protocol: Question["protocol"], port: number): boolean =>
  (protocol !== "tcp" && protocol !== "udp") || servedPorts.includes(port);

/** The agent's answer to what nobody serves, or a rule rejects. */
const isRefusal = ({ payload }: Arrival["packet"]): boolean =>
  (payload.kind === "tcp" && payload.flags.includes("rst")) ||
  (payload.kind === "icmp" && payload.type === 3) ||
  (payload.kind === "icmpv6" && payload.body.type === "other" && payload.body.number === 1);

const destinationPortOf = ({ payload }: Arrival["packet"]): number | undefined =>
  "destinationPort" in payload ? payload.destinationPort : undefined;

function nodeCalled(nodes: readonly MemoryNode[], name: string): MemoryNode {
  const node = nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new RangeError(`${name} is no node`);
  return node;
}

function transportAddress(node: string): IpAddress {
  const address = transportOf[node];
  if (address === undefined) throw new RangeError(`${node} is no node`);
  return address;
}

const gatewayOf = (node: (typeof nodeNames)[number], family: Family): IpAddress => podCidrs[node][family].address.plus(1n);

const isPod = ({ name }: MemoryEnd): boolean => name.includes("/") && !isService(name);
