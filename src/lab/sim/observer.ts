import { podMac } from "#agent/cni/names.ts";
import { tunnelOfport } from "#agent/ovs/bridge.ts";
import { type MacAddress, parseAddress } from "#lib/ip/index.ts";
import { keyOf, type Pod, type Service } from "#lib/kube/index.ts";
import { decodeFrame, encodeFrame } from "#lib/packet/index.ts";
import type { SentPacket } from "#lib/openflow/switch/index.ts";
import { type Duration, type Random, seconds, type VirtualClock } from "#lib/runtime/index.ts";
import type { WorldChange, WorldHistory } from "./history.ts";
import type { SimNode } from "./node/node.ts";
import { endpointName, possibleEndpoints } from "./served.ts";
import { addressesOf, addressOf, arrive, portOf } from "./way.ts";
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
  /** Sends so many packets between pods anywhere, some of them by way of a Service. */
  probe(count: number): void;
  readonly violations: readonly Violation[];
  readonly figures: { packets: number; served: number; unjudged: number };
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
/** Of so many packets one goes to a Service, where there are any. */
const oneServedOf = 4;

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
  const figures = { packets: 0, served: 0, unjudged: 0 };
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
  const pick = <Item>(items: readonly Item[]): Item | undefined => items[random.below(Math.max(1, items.length))];
  /** Had its address for all that the node may have missed. */
  const isKnown = (pod: Pod, changes: readonly WorldChange[]): boolean =>
    changes.every(({ kind, key, before }) => kind !== "Pod" || key !== keyOf(pod) || hasAddress(before as Pod | undefined));

  interface Half {
    readonly direction: "Ingress" | "Egress";
    readonly from: Pod;
    readonly to: Pod;
  }
  /** What is wrong with what became of the packet there. */
  const judge = (node: SimNode, { direction, from, to }: Half, packet: Packet, passed: boolean): Violation | undefined => {
    const changes = history.changesSince(troubles.oldestUnseen(node.name));
    // A pod is closed until its policies are in force; and where it goes is not known everywhere at once.
    if (!passed && !(isKnown(from, changes) && isKnown(to, changes))) return undefined;
    const possible = possibleVerdicts({ history, changes, from, to, direction, packet, mixing });
    if (possible === undefined) {
      figures.unjudged++;
      return undefined;
    }
    if (passed ? possible.passes : possible.ends) return undefined;
    const { source, destination, port, through } = packet;
    const way = `${source} -> ${destination}${through === undefined ? "" : ` by ${through}`}`;
    return {
      at: clock.monotonic(),
      node: node.name,
      text: `${keyOf(from)} -> ${keyOf(to)} ${port}/udp IPv${source.family} (${way}): ${direction.toLowerCase()} ${passed ? "passes" : "ends"} at ${node.name}, but: ${passed ? possible.why.ends : possible.why.passes}${possible.mixed === 0 ? "" : `, however ${possible.mixed} changes are mixed`}`,
    };
  };
  const blame = (...found: readonly (Violation | undefined)[]): void => {
    for (const violation of found) if (violation !== undefined && violations.length < mostViolations) violations.push(violation);
  };
  /** One switch does both halves: what passes passed both, what ends ended at one of them. */
  const judgeBoth = (
    node: SimNode,
    { from, to }: Pick<Half, "from" | "to">,
    packet: Packet,
    passed: boolean,
  ): (Violation | undefined)[] => {
    const egress = judge(node, { direction: "Egress", from, to }, packet, passed);
    if (passed) return [egress, judge(node, { direction: "Ingress", from, to }, packet, true)];
    if (egress === undefined) return [];
    return judge(node, { direction: "Ingress", from, to }, packet, false) === undefined ? [] : [egress];
  };
  const frameFrom = (from: Pod, mac: MacAddress, packet: Packet): Uint8Array => {
    const { source, destination, port } = packet;
    sourcePort = sourcePort >= 60_000 ? 1_024 : sourcePort + 1;
    const udp = { kind: "udp", sourcePort, destinationPort: port, payload: new Uint8Array(4) } as const;
    return encodeFrame({
      source: podMac(addressesOf(from)),
      destination: mac,
      payload:
        source.family === 4
          ? { kind: "ipv4", source, destination, ttl: 64, payload: udp }
          : { kind: "ipv6", source, destination, hopLimit: 64, payload: udp },
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
    const packet = { source, destination, port: ports[random.below(ports.length)] ?? 80 };
    figures.packets++;
    const frame = frameFrom(from, here === there ? podMac(addressesOf(to)) : here.gatewayMac, packet);
    const first = here.bridge.memory.process({ inPort, frame }).outputs;
    if (here === there) {
      blame(
        ...judgeBoth(
          here,
          { from, to },
          packet,
          first.some((sent) => sent.port === outPort),
        ),
      );
      return;
    }
    const tunnelled = first.find((sent) => sent.port === tunnelOfport);
    blame(judge(here, { direction: "Egress", from, to }, packet, tunnelled !== undefined));
    const arrived = tunnelled === undefined ? undefined : arrive(there, here, tunnelled);
    if (arrived === undefined) return;
    const passed = arrived.some((sent) => sent.port === outPort);
    blame(judge(there, { direction: "Ingress", from, to }, packet, passed));
  };
  /** To a Service of any namespace: who is picked must be one of those that serve, and is judged like any other receiver. */
  const sendByService = (from: Pod, service: Service): void => {
    const here = nodeOf(from.spec.nodeName ?? "");
    const port = service.spec?.ports?.[random.below(service.spec.ports.length)]?.port;
    const destination = (service.spec?.clusterIPs ?? []).map(parseAddress)[random.below(2)];
    const source = destination && addressOf(from, destination.family);
    if (here === undefined || here.bridge.holdsBack || port === undefined || source === undefined || destination === undefined) return;
    const inPort = portOf(here, from);
    if (inPort === undefined) return;
    const changes = history.changesSince(troubles.oldestUnseen(here.name));
    const through = keyOf(service);
    const possible = possibleEndpoints({ history, changes, service: through, address: destination, port });
    figures.packets++;
    if (possible === undefined) {
      figures.unjudged++;
      return;
    }
    figures.served++;
    const { outputs } = here.bridge.memory.process({
      inPort,
      frame: frameFrom(from, here.gatewayMac, { source, destination, port }),
    });
    const text = `${keyOf(from)} -> ${through} ${port}/udp (${source} -> ${destination})`;
    const translated = (sent: SentPacket): Packet | undefined => {
      const payload = decodeFrame(sent.frame)?.payload;
      if (payload === undefined || (payload.kind !== "ipv4" && payload.kind !== "ipv6") || payload.payload.kind !== "udp") return undefined;
      if (payload.destination.equals(destination)) return undefined;
      return { source, destination: payload.destination, port: payload.payload.destinationPort, through };
    };
    const [sent] = outputs.flatMap((output) => {
      const packet = translated(output);
      return packet === undefined ? [] : [{ output, packet }];
    });
    if (sent === undefined) {
      if (possible.unserved) return;
      const reasons: Violation[] = [];
      for (const { address, port: number, pod: to } of possible.endpoints.values()) {
        // One that is being deleted may have no port any more.
        if (to === undefined || to.metadata.deletionTimestamp !== undefined) return;
        const packet = { source, destination: address, port: number, through };
        const egress = judge(here, { direction: "Egress", from, to }, packet, false);
        if (egress === undefined) return;
        const isLocal = to.spec.nodeName === here.name && to !== from;
        if (isLocal && judge(here, { direction: "Ingress", from, to }, packet, false) === undefined) return;
        reasons.push(egress);
      }
      blame(reasons[0]);
      return;
    }
    const { packet, output } = sent;
    const picked = possible.endpoints.get(endpointName(packet.destination, packet.port));
    if (picked === undefined) {
      const all = [...possible.endpoints.keys()].join(", ") || "nobody";
      blame({
        at: clock.monotonic(),
        node: here.name,
        text: `${text}: ${packet.destination} ${packet.port} is picked at ${here.name}, served by ${all}`,
      });
      return;
    }
    const to = picked.pod;
    // Its pod is gone, and the slice does not say so yet.
    if (to === undefined) {
      figures.unjudged++;
      return;
    }
    const there = nodeOf(to.spec.nodeName ?? "");
    const outPort = there && portOf(there, to);
    if (there === undefined || outPort === undefined) return;
    if (there !== here) {
      if (output.port !== tunnelOfport) return;
      blame(judge(here, { direction: "Egress", from, to }, packet, true));
      const arrived = there.bridge.holdsBack ? undefined : arrive(there, here, output);
      if (arrived === undefined) return;
      const passed = arrived.some((each) => each.port === outPort);
      blame(judge(there, { direction: "Ingress", from, to }, packet, passed));
      return;
    }
    if (output.port !== outPort) return;
    // A pod to itself is under its egress policies alone.
    if (keyOf(to) === keyOf(from)) blame(judge(here, { direction: "Egress", from, to }, packet, true));
    else blame(...judgeBoth(here, { from, to }, packet, true));
  };
  const sendAnywhere = (from: Pod, to: Pod): void => {
    const services = [...history.present.Service.values()].filter(
      ({ metadata, spec }) => metadata.namespace !== "default" && spec?.clusterIPs?.length,
    );
    const service = services.length > 0 && random.below(oneServedOf) === 0 ? pick(services) : undefined;
    if (service === undefined) send(from, to);
    else sendByService(from, service);
  };

  return {
    violations,
    figures,
    changing(node) {
      if (!isLookedAt()) return;
      const { all } = history.running;
      const own = history.running.onNode(node.name);
      for (let count = 0; count < probesPerBundle && own.length > 0; count++) {
        const [mine, other] = [pick(own), pick(all)];
        if (mine === undefined || other === undefined) return;
        if (random.below(2) === 0) sendAnywhere(mine, other);
        else send(other, mine);
      }
    },
    probe(count) {
      const { all } = history.running;
      for (let sent = 0; sent < count && all.length > 1; sent++) {
        const [from, to] = [pick(all), pick(all)];
        if (from !== undefined && to !== undefined) sendAnywhere(from, to);
      }
    },
  };
}
