import type { Flow } from "#lib/openflow/flow.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import { seededRandom } from "#lib/runtime/index.ts";
import { podCidrs } from "./arithmetic-place.ts";
import type { ConversationEnd } from "./conversation.ts";
import { createMemoryCluster } from "./memory-cluster.ts";
import { type Chooser, chooser, nextWorld, randomWorld } from "./random-world.ts";
import { type FirstPacket, judge, type World } from "./reference.ts";
import { firstPacket, ipPacket } from "./questions.ts";

/** A first packet, and its ends. */
interface Sample {
  readonly packet: FirstPacket;
  readonly from: ConversationEnd;
  readonly outsider: boolean;
  readonly to: ConversationEnd;
  readonly title: string;
}

export interface Agreement {
  readonly packets: number;
  readonly allowed: number;
  /** The first disagreement with its policies and the way of the packet. */
  readonly disagreement?: string;
}

export interface AgreementOptions {
  readonly seed: number;
  /** Random clusters, each in {@link states} states one after the other. */
  readonly worlds: number;
  readonly packetsPerState: number;
  readonly mutate?: (flows: readonly Flow[]) => readonly Flow[];
}

/** How often each cluster changes, so that what is changed is compared like what is made. */
export const states = 3;

/** Sends random first packets through random clusters: do engine, flows and switch say what the text says? Ends at the first disagreement. */
export function agreement({ seed, worlds, packetsPerState, mutate }: AgreementOptions): Agreement {
  let packets = 0;
  let allowed = 0;
  for (let number = 0; number < worlds; number++) {
    // Each cluster from a seed of its own: the number alone brings a failing one back.
    const choose = chooser(seededRandom(seed + number));
    const memory = createMemoryCluster(mutate === undefined ? {} : { mutate });
    let world = randomWorld(choose);
    for (let state = 0; state < states; state++) {
      if (state > 0) world = nextWorld(choose, world);
      memory.become(world);
      // A fault that makes no difference to any flow here is none: what the flows do without it is what the run without faults looks at.
      const isAsked = mutate === undefined || memory.nodes.some(({ isMutated }) => isMutated);
      for (let index = 0; index < packetsPerState; index++) {
        const sample = randomSample(choose, world, 10_000 + state * packetsPerState + index);
        if (sample === undefined || !isAsked) continue;
        const { packet, from, to, outsider, title } = sample;
        const judgement = judge(world, packet);
        packets++;
        if (judgement.allowed) allowed++;
        if (packet.source.equals(packet.destination)) continue;
        const payload = ipPacket(packet.source, packet.destination, payloadOf(packet, 10_000 + state * packetsPerState + index));
        const arrived = outsider ? memory.forward(from.node, to, payload) : memory.say(from, to, payload);
        if (arrived !== judgement.allowed)
          return {
            packets,
            allowed,
            disagreement: `seed ${seed + number}, state ${state}: ${title} ${arrived ? "arrives" : "ends"}, but ${judgement.reason}\n${JSON.stringify(world.policies)}\n${memory.explain()}`,
          };
      }
    }
  }
  return { packets, allowed };
}

const outside = { 4: parseAddress("192.0.2.77"), 6: parseAddress("2001:db8::77") } as const;

function randomSample(choose: Chooser, world: World, sourcePort: number): Sample | undefined {
  const family = choose.pick([4, 6]);
  const speakers = world.pods.filter(
    (pod) => pod.spec.hostNetwork !== true && pod.status?.phase === "Running" && addressOf(pod, family) !== undefined,
  );
  const podEnd = (pod: Pod): ConversationEnd => ({ name: `${pod.metadata.namespace}/${pod.metadata.name}`, node: pod.spec.nodeName ?? "" });
  const node = choose.pick(["node-1", "node-2"]);
  const gateway = (name: "node-1" | "node-2"): IpAddress => podCidrs[name][family].address.plus(1n);
  const [firstSpeaker, ...rest] = speakers;
  if (firstSpeaker === undefined) return undefined;
  const receiver = choose.pick([firstSpeaker, ...rest]);
  const sender = choose.pick([firstSpeaker, ...rest]);
  const toPod = { to: podEnd(receiver), destination: addressOf(receiver, family) };
  const fromPod = { from: podEnd(sender), source: addressOf(sender, family), origin: { pod: sender }, outsider: false };
  const fromNode = { from: { name: node, node }, source: gateway(node), origin: { node }, outsider: false };
  const receiving = receiver.spec.nodeName ?? "";
  const kind = choose.below(10);
  const ways =
    kind < 6
      ? { ...fromPod, ...toPod }
      : kind === 6
        ? { ...fromNode, ...toPod }
        : kind === 7
          ? {
              from: { name: receiving, node: receiving },
              source: outside[family],
              origin: { outside: true as const },
              outsider: true,
              ...toPod,
            }
          : kind === 8
            ? { ...fromPod, to: { name: node, node }, destination: gateway(node) }
            : { ...fromPod, to: { name: fromPod.from.node, node: fromPod.from.node }, destination: outside[family] };
  const protocol = choose.pick(["TCP", "TCP", "UDP", "SCTP", "ICMP"]);
  const port = choose.pick([80, 81, 82, 83]);
  const { source, destination } = ways;
  if (source === undefined || destination === undefined) return undefined;
  const packet: FirstPacket = { from: ways.origin, source, destination, protocol, ...(protocol === "ICMP" ? {} : { port }) };
  const title = `${ways.from.name} (${source}) -> ${ways.to.name} (${destination}) ${protocol}${protocol === "ICMP" ? "" : ` ${port}`} from port ${sourcePort}`;
  return { packet, from: ways.from, to: ways.to, outsider: ways.outsider, title };
}

function payloadOf({ protocol, port = 0, source, destination }: FirstPacket, sourcePort: number) {
  const name = protocol.toLowerCase() as "tcp" | "udp" | "sctp" | "icmp";
  return firstPacket({ family: source.family, protocol: name, port, sourcePort, source, destination });
}

function addressOf({ status }: Pod, family: 4 | 6): IpAddress | undefined {
  return (status?.podIPs ?? []).map(({ ip }) => parseAddress(ip)).find((address) => address.family === family);
}
