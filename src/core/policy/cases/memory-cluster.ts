import { hostMarkMac, tunnelMac } from "#core/pipeline/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type Family, type IpAddress, type MacAddress, parseAddress } from "#lib/ip/index.ts";
import type { EthernetFrame, NetworkPacket } from "#lib/packet/index.ts";
import { createPolicyEngine, lowerKubernetesPolicy, namespaceRow, podRow } from "../index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { Verdict } from "./case.ts";
import { createMemoryNode, type MemoryNode, podMac } from "./memory-node.ts";
import type { World } from "./reference.ts";
import { answerPacket, firstPacket, ipPacket, nextPacket, type Question } from "./questions.ts";

/** An end of a conversation: a pod (`namespace/name`) or a node's own stack (`node-1`). */
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
  /** Sends a packet of a conversation that stands; true when it arrives. */
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
  const engine = createPolicyEngine();
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
  const present = { namespaces: new Set<string>(), pods: new Set<string>(), policies: new Set<string>() };
  let lastNode: MemoryNode | undefined;

  /** Carries a frame from its sender until it is received or ends: the end that has it then. */
  const carry = (from: MemoryEnd, frame: EthernetFrame): string | undefined => {
    let node = nodeCalled(nodes, from.node);
    let out = node.receive(isPod(from) ? { pod: from.name } : { gateway: true }, frame);
    lastNode = node;
    for (let hops = 0; hops < nodeNames.length; hops++) {
      const [departure, ...more] = out;
      if (departure === undefined) return undefined;
      if (more.length > 0) throw new RangeError("a frame left by two ports");
      if ("pod" in departure.by) return departure.by.pod;
      if ("gateway" in departure.by) return node.name;
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
  const hand = (from: MemoryEnd, to: MemoryEnd, payload: NetworkPacket, source: MacAddress): boolean => {
    // To the pod beside it, to its gateway, or to the other node's.
    const destination = from.node === to.node && isPod(to) ? macOf(to) : isPod(from) ? nodeCalled(nodes, from.node).gatewayMac : tunnelMac;
    return carry(from, { source, destination, payload }) === to.name;
  };
  // What a node's stack begins carries the mark of the userspace datapath; what it answers does not.
  const say = (from: MemoryEnd, to: MemoryEnd, packet: NetworkPacket): boolean =>
    hand(from, to, packet, isPod(from) ? macOf(from) : hostMarkMac);
  const reply = (from: MemoryEnd, to: MemoryEnd, packet: NetworkPacket): boolean => hand(from, to, packet, macOf(from));

  return {
    nodes,
    become({ namespaces, pods, policies }) {
      const wanted = {
        namespaces: new Map(namespaces.map((namespace) => [namespace.metadata.name ?? "", namespace])),
        pods: new Map(pods.map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod])),
        policies: new Map(policies.map((policy) => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy])),
      };
      for (const [key, policy] of wanted.policies)
        engine.upsertPolicy(lowerKubernetesPolicy({ ...policy, metadata: { ...policy.metadata, uid: key } }).policy);
      for (const namespace of wanted.namespaces.values()) engine.upsertNamespace(namespaceRow(namespace));
      for (const pod of wanted.pods.values()) engine.upsertPod(podRow(pod));
      forget(present.policies, wanted.policies, (key) => engine.deletePolicy(key));
      forget(present.pods, wanted.pods, (key) => engine.deletePod(key));
      forget(present.namespaces, wanted.namespaces, (key) => engine.deleteNamespace(key));
      const changes = engine.flush();
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
        node.realize();
      }
    },
    say,
    forward: (node, to, packet) => reply({ name: node, node }, to, packet),
    ask(from, to, question) {
      const { source, destination } = question;
      // A.7.1: it never leaves the pod.
      if (source.equals(destination)) return "ok";
      // Without ports, all packets between two addresses are one connection: an earlier one, the other way round perhaps.
      if (question.protocol === "ip") for (const node of nodes) node.forgetConnections();
      if (!say(from, to, ipPacket(source, destination, firstPacket(question)))) return "drop";
      if (!reply(to, from, ipPacket(destination, source, answerPacket(question)))) return "drop";
      if (!question.served && (question.protocol === "tcp" || question.protocol === "udp")) return "refused";
      if (question.protocol === "tcp" && !say(from, to, ipPacket(source, destination, nextPacket(question)))) return "drop";
      return "ok";
    },
    explain: () => lastNode?.explain() ?? "",
  };
}

function forget(before: Set<string>, now: ReadonlyMap<string, unknown>, drop: (key: string) => void): void {
  for (const key of before) if (!now.has(key)) drop(key);
  before.clear();
  for (const key of now.keys()) before.add(key);
}

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

const isPod = ({ name }: MemoryEnd): boolean => name.includes("/");
