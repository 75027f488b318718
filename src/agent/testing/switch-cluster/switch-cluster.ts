import { hostMarkMac, tunnelMac } from "#core/pipeline/index.ts";
import { podCidrs } from "#core/policy/cases/arithmetic-place.ts";
import type { Verdict } from "#core/policy/cases/case.ts";
import { asking, type Arrival, type Conversation, type ConversationEnd, type Sending, talking } from "#core/policy/cases/conversation.ts";
import { isService } from "#core/policy/cases/notation.ts";
import type { Question } from "#core/policy/cases/questions.ts";
import type { World } from "#core/policy/cases/reference.ts";
import { createWorldFeed } from "#core/policy/cases/world-feed.ts";
import { type IpAddress, type MacAddress, parseAddress } from "#lib/ip/index.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";
import { decodeFrame, encodeFrame } from "#lib/packet/index.ts";
import { revalidated } from "../../ovs/revalidate.ts";
import { createExchange, keyOfPort } from "./exchange.ts";
import { bridge, createSwitchNode, joinNodes, nodePorts, type SwitchNode } from "./switch-node.ts";

/** How long each packet of a conversation may take. */
export interface Waiting {
  readonly withinMs: number;
}

/** Engine, compiler and two real switches, joined by a tunnel: packets are crafted, their way is the datapath's. Needs root. */
export interface SwitchCluster {
  /** Makes everything as `world` says; resolves when the switch does so for packets of connections that it knows, too. */
  become(world: World): Promise<void>;
  /** Ends all that compiles and writes, and starts it anew beside the switches, with the world as it is. */
  restart(): Promise<void>;
  /** Every flow of the nodes' bridges as `ovs-ofctl` prints it, with its age and counters, behind its node's name. */
  flows(): Promise<readonly string[]>;
  /** Like the calls of the same names on switches in memory; several may be under way at a time. */
  ask(from: ConversationEnd, to: ConversationEnd, question: Question, waiting: Waiting): Promise<Verdict>;
  talk(from: ConversationEnd, to: ConversationEnd, question: Question, waiting: Waiting): Promise<boolean>;
  /** Makes the connection tracker know nothing. */
  forgetConnections(): Promise<void>;
  /** How many packets came that nobody waited for any more, by `PROTOCOL PORT` of who asked; forgets them. */
  takeStrays(): ReadonlyMap<string, number>;
  remove(): Promise<void>;
}

const nodes = {
  "node-1": { other: "node-2", transport: parseAddress("172.31.0.11") },
  "node-2": { other: "node-1", transport: parseAddress("172.31.0.12") },
} as const;
const nodeNames = ["node-1", "node-2"] as const;

/** `pods`: most that a node may have; each takes a slow machine a while. */
export async function createSwitchCluster(name: string, { pods }: { readonly pods?: number } = {}): Promise<SwitchCluster> {
  let made: readonly SwitchNode[] = [];
  const remove = async (): Promise<void> => void (await Promise.all(made.map((node) => node.remove())));
  const makeNode = (node: (typeof nodeNames)[number]): Promise<SwitchNode> => {
    const { other } = nodes[node];
    const remote = { name: other, podCIDRs: [podCidrs[other][4], podCidrs[other][6]], transportAddresses: [nodes[other].transport] };
    return createSwitchNode({
      name: node,
      networkNamespace: `${name}-${process.pid}-${node}`,
      gateway: gatewaysOf(node),
      remote,
      ...(pods === undefined ? {} : { pods }),
    });
  };
  try {
    const making = await Promise.allSettled(nodeNames.map(makeNode));
    made = making.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const failed = making.find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await joinNodes(made.map((node) => ({ node, transport: nodes[node.name as keyof typeof nodes].transport })));
    let feed = createWorldFeed(made);
    let present: World = { nodes: [], namespaces: [], pods: [], policies: [] };
    const become = async (world: World): Promise<void> => {
      present = world;
      feed.become(world);
      await Promise.all(made.map((node) => node.realize()));
      await Promise.all(made.map(({ ovs }) => revalidated((command, args = []) => ovs.appctl(command, ...args))));
    };
    const exchange = createExchange();
    for (const node of made)
      node.wires.onFrame((ofport, bytes) => {
        const packet = decodeFrame(bytes)?.payload;
        if (packet?.kind !== "ipv4" && packet?.kind !== "ipv6") return;
        const end = ofport === nodePorts.gateway ? node.name : node.podAt(ofport);
        if (end !== undefined) exchange.arrived({ name: end, node: node.name }, packet);
      });
    const carry = async ({ from, to, packet, unmarked }: Sending, key: string, { withinMs }: Waiting): Promise<Arrival | undefined> => {
      const node = nodeCalled(made, from.node);
      const marked = !isPod(from) && !unmarked;
      const source = marked && testDatapath === "netdev" ? hostMarkMac : macOf(made, from);
      const frame = encodeFrame({ source, destination: nextHop(made, from, to), payload: packet });
      const ofport = isPod(from) ? node.portOf(from.name)?.ofport : nodePorts.gateway;
      if (ofport === undefined) throw new RangeError(`${from.name} is not there`);
      const arrival = exchange.next(key, withinMs);
      await node.wires.send(ofport, frame, { marked: marked && testDatapath === "system" });
      return arrival;
    };
    const hold = async <Result>(conversation: Conversation<Result>, { protocol, sourcePort }: Question, waiting: Waiting) => {
      let turn = conversation.next();
      while (!turn.done) turn = conversation.next(await carry(turn.value, keyOfPort(protocol, sourcePort), waiting));
      return turn.value;
    };
    return {
      become,
      restart() {
        for (const node of made) node.restart();
        feed = createWorldFeed(made);
        return become(present);
      },
      async flows() {
        const dumps = await Promise.all(made.map(async ({ name, ovs }) => ({ name, dump: await ovs.ofctl("dump-flows", bridge) })));
        return dumps.flatMap(({ name, dump }) =>
          dump.split("\n").flatMap((line) => (line.includes("cookie=") ? [`${name}: ${line.trim()}`] : [])),
        );
      },
      ask: (from, to, question, waiting) => hold(asking(from, to, question), question, waiting),
      talk: (from, to, question, waiting) => hold(talking(from, to, question), question, waiting),
      forgetConnections: async () => void (await Promise.all(made.map(({ ovs }) => ovs.appctl("dpctl/flush-conntrack")))),
      takeStrays: () => exchange.takeStrays(),
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function nodeCalled(made: readonly SwitchNode[], name: string): SwitchNode {
  const node = made.find((candidate) => candidate.name === name);
  if (node === undefined) throw new RangeError(`${name} is no node`);
  return node;
}

/** To the pod beside it, to its gateway, or to the other node's. */
function nextHop(made: readonly SwitchNode[], from: ConversationEnd, to: ConversationEnd): MacAddress {
  if (from.node === to.node && from.name !== to.name && isPod(to)) return macOf(made, to);
  return isPod(from) ? nodeCalled(made, from.node).gatewayMac : tunnelMac;
}

function macOf(made: readonly SwitchNode[], { name, node }: ConversationEnd): MacAddress {
  const its = nodeCalled(made, node);
  return its.portOf(name)?.mac ?? its.gatewayMac;
}

const gatewaysOf = (node: (typeof nodeNames)[number]): IpAddress[] =>
  ([4, 6] as const).map((family) => podCidrs[node][family].address.plus(1n));

const isPod = ({ name }: ConversationEnd): boolean => name.includes("/") && !isService(name);
