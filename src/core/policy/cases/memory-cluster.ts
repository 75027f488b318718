import { hostMarkMac, tunnelMac } from "#core/pipeline/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type Family, type IpAddress, type MacAddress, parseAddress } from "#lib/ip/index.ts";
import type { NetworkPacket } from "#lib/packet/index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { Verdict } from "./case.ts";
import { type Arrival, asking, type Conversation, type ConversationEnd, saying, type Sending, talking } from "./conversation.ts";
import { createMemoryNode, type MemoryNode } from "./memory-node.ts";
import { isService } from "./notation.ts";
import type { Question } from "./questions.ts";
import type { World } from "./reference.ts";
import { createWorldFeed } from "./world-feed.ts";

/** Engine, compiler and two switches in memory, joined by their tunnel ports: a cluster without processes, time or chance. */
export interface MemoryCluster {
  /** Makes everything as `world` says. */
  become(world: World): void;
  /** Sends the first packet of a conversation and, where it arrives, the answer of its receiver and what follows. */
  ask(from: ConversationEnd, to: ConversationEnd, question: Question): Verdict;
  /** One more packet each way over a conversation that stands; false when one of them does not arrive. */
  talk(from: ConversationEnd, to: ConversationEnd, question: Question): boolean;
  /** Sends a packet of a conversation; true when it arrives. */
  say(from: ConversationEnd, to: ConversationEnd, packet: NetworkPacket): boolean;
  /** The same for a packet that comes to a node from outside, or leaves for it: the node's stack forwards it. */
  forward(node: string, to: ConversationEnd, packet: NetworkPacket): boolean;
  /** How the last packet went, in the words of `ofproto/trace`. */
  explain(): string;
  readonly nodes: readonly MemoryNode[];
}

const nodeNames = ["node-1", "node-2"] as const;
const transportOf: Readonly<Record<string, IpAddress>> = { "node-1": parseAddress("172.31.0.11"), "node-2": parseAddress("172.31.0.12") };

export function createMemoryCluster({ mutate }: { readonly mutate?: (flows: readonly Flow[]) => readonly Flow[] } = {}): MemoryCluster {
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
  const feed = createWorldFeed(nodes);
  let lastNode: MemoryNode | undefined;
  const macOf = (end: ConversationEnd): MacAddress => {
    const node = nodeCalled(nodes, end.node);
    return node.macOf(end.name) ?? node.gatewayMac;
  };

  /** Carries a packet from its sender until it is received or ends. */
  const carry = ({ from, to, packet, unmarked }: Sending): Arrival | undefined => {
    // To the pod beside it, to its gateway, or to the other node's. A pod knows itself by no address that it would send to.
    const beside = from.node === to.node && from.name !== to.name && isPod(to);
    const destination = beside ? macOf(to) : isPod(from) ? nodeCalled(nodes, from.node).gatewayMac : tunnelMac;
    const source = isPod(from) || unmarked ? macOf(from) : hostMarkMac;
    let node = nodeCalled(nodes, from.node);
    let out = node.receive(isPod(from) ? { pod: from.name } : { gateway: true }, { source, destination, payload: packet });
    lastNode = node;
    // A packet that is rejected at its other end comes back.
    for (let hops = 0; hops < 2 * nodeNames.length; hops++) {
      const [departure, ...more] = out;
      if (departure === undefined) return undefined;
      if (more.length > 0) throw new RangeError("a frame left by two ports");
      const { payload } = departure.frame;
      if (payload.kind !== "ipv4" && payload.kind !== "ipv6") throw new RangeError("a frame left that is not IP");
      if ("pod" in departure.by) return { end: { name: departure.by.pod, node: node.name }, packet: payload };
      if ("gateway" in departure.by) return { end: { name: node.name, node: node.name }, packet: payload };
      const target = departure.by.tunnel;
      const next = nodes.find(({ name }) => transportAddress(name).equals(target));
      if (next === undefined) throw new RangeError(`a frame left for ${target}, which is no node`);
      out = next.receive({ tunnel: transportAddress(node.name) }, departure.frame);
      node = next;
      lastNode = node;
    }
    throw new RangeError("a frame goes between nodes for ever");
  };
  const hold = <Result>(conversation: Conversation<Result>): Result => {
    let turn = conversation.next();
    while (!turn.done) turn = conversation.next(carry(turn.value));
    return turn.value;
  };

  return {
    nodes,
    become(world) {
      feed.become(world);
      for (const node of nodes) node.realize();
    },
    say: (from, to, packet) => hold(saying(from, to, packet)) !== undefined,
    forward: (node, to, packet) => hold(saying({ name: node, node }, to, packet, { unmarked: true })) !== undefined,
    talk: (from, to, question) => hold(talking(from, to, question)),
    ask(from, to, question) {
      // Without ports, all packets between two addresses are one connection: an earlier one, the other way round perhaps.
      if (question.protocol === "ip") for (const node of nodes) node.forgetConnections();
      return hold(asking(from, to, question));
    },
    explain: () => lastNode?.explain() ?? "",
  };
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

const isPod = ({ name }: ConversationEnd): boolean => name.includes("/") && !isService(name);
