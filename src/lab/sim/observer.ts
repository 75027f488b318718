import { podMac } from "#agent/cni/names.ts";
import { gatewayMac, tunnelOfport } from "#agent/ovs/bridge.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { keyOf, type Pod } from "#lib/kube/index.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import type { SentPacket } from "#lib/openflow/switch/index.ts";
import { type Duration, type Random, seconds, type VirtualClock } from "#lib/runtime/index.ts";
import type { WorldChange, WorldHistory } from "./history.ts";
import type { SimNode } from "./node/node.ts";
import type { Troubles } from "./trouble.ts";
import { hasAddress, type Mixing, type Packet, possibleVerdicts } from "./verdicts.ts";

/** A packet that met a verdict which no state of the cluster gives that its node may know of. */
export interface Violation {
  readonly at: number;
  readonly node: string;
  readonly text: string;
}

/** Sends packets through the switches all the time and judges what becomes of them. */
export interface Observer {
  /** A bundle of changes is about to take effect on a node's switch, or has. */
  changing(node: SimNode, when: "before" | "after"): void;
  /** Sends so many packets between pods anywhere. */
  probe(count: number): void;
  readonly violations: readonly Violation[];
  readonly figures: { packets: number; unjudged: number };
}

/** Packets around each bundle, beside those that are sent all the time. */
const probesPerBundle = 2;
/**
 * And around all bundles of the cluster so many in a second, on average: hundreds of nodes change at once, and each packet costs as much as the change. Then
 * it depends on the seed which bundles are looked at. In a long run they are fewer: what is like all that was before it is looked at once more, and no better.
 */
const probesPerSecond = 50;
const probesInAll = 20_000;
/** Saved up while little happens: a small cluster is looked at whole. */
const mostSaved = 2_000;
const ports = [80, 81, 82] as const;
const mostViolations = 20;

export function createObserver(options: {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly history: WorldHistory;
  readonly troubles: Troubles;
  readonly nodeOf: (name: string) => SimNode | undefined;
  readonly mixing: Mixing;
  /** How long it will look. */
  readonly duration: Duration;
}): Observer {
  const { clock, random, history, troubles, nodeOf, mixing } = options;
  const rate = Math.min(probesPerSecond, probesInAll / (options.duration / seconds(1)));
  const violations: Violation[] = [];
  const figures = { packets: 0, unjudged: 0 };
  let sourcePort = 1_024;
  const saved = { probes: mostSaved, at: 0 };
  const isLookedAt = (): boolean => {
    const now = clock.monotonic();
    saved.probes = Math.min(mostSaved, saved.probes + ((now - saved.at) / 1_000) * rate);
    saved.at = now;
    // The fewer are left, the fewer are taken.
    if (saved.probes < probesPerBundle || (saved.probes < mostSaved / 2 && random.below(mostSaved / 2) > saved.probes)) return false;
    saved.probes -= probesPerBundle;
    return true;
  };
  /** Pods that can be asked, by node; made anew when pods changed. */
  let known:
    | { readonly size: number; readonly last: WorldChange | undefined; readonly all: readonly Pod[]; readonly byNode: Map<string, Pod[]> }
    | undefined;

  const running = () => {
    const last = history.changesSince(clock.monotonic() - 1_000).at(-1);
    if (known !== undefined && known.last === last && known.size === history.pods.size) return known;
    const all = [...history.pods.values()].filter(
      ({ spec, status, metadata }) => spec.nodeName && status?.podIPs?.length && metadata.deletionTimestamp === undefined,
    );
    known = { size: history.pods.size, last, all, byNode: Map.groupBy(all, ({ spec }) => spec.nodeName ?? "") };
    return known;
  };
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[random.below(Math.max(1, items.length))];
  const addressOf = (pod: Pod, family: 4 | 6): IpAddress | undefined =>
    (pod.status?.podIPs ?? []).map(({ ip }) => parseAddress(ip)).find((address) => address.family === family);
  const portOf = (node: SimNode, pod: Pod): number | undefined => {
    const key = keyOf(pod);
    for (const row of node.bridge.database.rows("Port")) {
      const ids = row.external_ids as ReadonlyMap<string, string>;
      if (`${ids.get("pod-namespace")}/${ids.get("pod-name")}` === key && ids.get("container-id")?.startsWith(pod.metadata.uid ?? "?"))
        return node.bridge.portNumber(String(row.name));
    }
    return undefined;
  };
  /** Had its address for all that the node may have missed. */
  const isKnown = (pod: Pod, changes: readonly WorldChange[]): boolean =>
    changes.every(({ kind, key, before }) => kind !== "pods" || key !== keyOf(pod) || hasAddress(before as Pod | undefined));

  const judge = (
    node: SimNode,
    half: { readonly direction: "Ingress" | "Egress"; readonly from: Pod; readonly to: Pod },
    packet: Packet,
    passed: boolean,
  ): void => {
    const { direction, from, to } = half;
    const changes = history.changesSince(troubles.oldestUnseen(node.name));
    // A pod is closed until its policies are in force; and where it goes is not known everywhere at once.
    if (!passed && !(isKnown(from, changes) && isKnown(to, changes))) return;
    const possible = possibleVerdicts({ history, changes, from, to, direction, packet, mixing });
    if (possible === undefined) {
      figures.unjudged++;
      return;
    }
    if (passed ? possible.passes : possible.ends) return;
    if (violations.length >= mostViolations) return;
    violations.push({
      at: clock.monotonic(),
      node: node.name,
      text: `${keyOf(from)} -> ${keyOf(to)} ${packet.port}/udp IPv${packet.source.family} (${packet.source} -> ${packet.destination}): ${direction.toLowerCase()} ${passed ? "passes" : "ends"} at ${node.name}, but: ${possible.reason}${possible.mixed === 0 ? "" : `, however ${possible.mixed} changes are mixed`}`,
    });
  };
  const send = (from: Pod, to: Pod): void => {
    const [here, there] = [nodeOf(from.spec.nodeName ?? ""), nodeOf(to.spec.nodeName ?? "")];
    const family = random.below(2) === 0 ? 4 : 6;
    const [source, destination] = [addressOf(from, family), addressOf(to, family)];
    if (here === undefined || there === undefined || source === undefined || destination === undefined || from === to) return;
    if (here.bridge.holdsBack || there.bridge.holdsBack) return;
    const [inPort, outPort] = [portOf(here, from), portOf(there, to)];
    if (inPort === undefined || outPort === undefined) return;
    sourcePort = sourcePort >= 60_000 ? 1_024 : sourcePort + 1;
    const port = ports[random.below(ports.length)] ?? 80;
    const packet = { source, destination, port };
    const udp = { kind: "udp", sourcePort, destinationPort: port, payload: new Uint8Array(4) } as const;
    const frame = encodeFrame({
      source: podMac(macAddresses(from)),
      destination: here === there ? podMac(macAddresses(to)) : gatewayMac(here.name),
      payload:
        family === 4
          ? { kind: "ipv4", source, destination, ttl: 64, payload: udp }
          : { kind: "ipv6", source, destination, hopLimit: 64, payload: udp },
    });
    figures.packets++;
    const first = here.bridge.memory.process({ inPort, frame }).outputs;
    if (here === there) {
      // One switch does both halves: what passes passed both, what ends ended at one of them.
      judgeBoth(
        here,
        { from, to },
        packet,
        first.some((sent) => sent.port === outPort),
      );
      return;
    }
    const tunnelled: SentPacket | undefined = first.find((sent) => sent.port === tunnelOfport);
    judge(here, { direction: "Egress", from, to }, packet, tunnelled !== undefined);
    if (tunnelled === undefined) return;
    const endpoint = here.addresses.find(({ family: outer }) => outer === tunnelled.tunnel?.destination?.family);
    if (endpoint === undefined || !there.addresses.some((address) => tunnelled.tunnel?.destination?.equals(address))) return;
    const arrived = there.bridge.memory.process({
      inPort: tunnelOfport,
      frame: tunnelled.frame,
      tunnel: { source: endpoint, ...(tunnelled.tunnel?.destination === undefined ? {} : { destination: tunnelled.tunnel.destination }) },
    }).outputs;
    judge(
      there,
      { direction: "Ingress", from, to },
      packet,
      arrived.some((sent) => sent.port === outPort),
    );
  };
  const judgeBoth = (node: SimNode, { from, to }: { readonly from: Pod; readonly to: Pod }, packet: Packet, passed: boolean): void => {
    if (passed) {
      judge(node, { direction: "Egress", from, to }, packet, true);
      judge(node, { direction: "Ingress", from, to }, packet, true);
      return;
    }
    const before = violations.length;
    judge(node, { direction: "Egress", from, to }, packet, false);
    if (violations.length === before) return;
    const [egress] = violations.splice(before);
    judge(node, { direction: "Ingress", from, to }, packet, false);
    // Either half may have ended it.
    if (violations.length > before && egress !== undefined) violations.splice(before, 1, egress);
  };

  return {
    violations,
    figures,
    changing(node) {
      if (!isLookedAt()) return;
      const { all, byNode } = running();
      const own = byNode.get(node.name) ?? [];
      for (let count = 0; count < probesPerBundle && own.length > 0; count++) {
        const [mine, other] = [pick(own), pick(all)];
        if (mine === undefined || other === undefined) return;
        if (random.below(2) === 0) send(mine, other);
        else send(other, mine);
      }
    },
    probe(count) {
      const { all } = running();
      for (let sent = 0; sent < count && all.length > 1; sent++) {
        const [from, to] = [pick(all), pick(all)];
        if (from !== undefined && to !== undefined) send(from, to);
      }
    },
  };
}

const macAddresses = ({ status }: Pod): IpAddress[] => (status?.podIPs ?? []).map(({ ip }) => parseAddress(ip));
