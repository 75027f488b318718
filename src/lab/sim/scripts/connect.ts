import { podMac } from "#agent/cni/names.ts";
import { gatewayMac, tunnelOfport } from "#agent/ovs/bridge.ts";
import type { IpAddress, MacAddress } from "#lib/ip/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import type { SentPacket } from "#lib/openflow/switch/index.ts";
import { decodeFrame, encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import type { Duration } from "#lib/runtime/index.ts";
import type { RunningCluster } from "../cluster.ts";
import type { SimNode } from "../node/node.ts";
import { addressesOf, addressOf, arrive, portOf } from "../way.ts";
import { isServed, type Protocol, segment } from "./probe.ts";

/** What becomes of a connection, in the words of `agnhost connect`, or that it is there. */
export type Reached = "open" | "REFUSED" | "TIMEOUT";

export interface Asked {
  readonly from: Pod;
  /** A pod's, or a Service's. */
  readonly destination: IpAddress;
  readonly port: number;
  readonly protocol: Protocol;
  /** How long it waits in the simulation. */
  readonly timeout: Duration;
}

/** A frame that comes out of a switch by something else than a tunnel. */
interface Arrival {
  readonly node: SimNode;
  readonly port: number;
  readonly frame: Uint8Array;
}

interface Way {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

/**
 * Connects by the switches of the simulation: a first packet, and what comes back to it, whoever sends it: the pod that gets it, if its containers' arguments say that it listens
 * there, or the agent of a node that refuses it. A datagram to a port where nobody listens is not answered.
 */
export function connectBySwitches({ cluster, sourcePort }: { readonly cluster: RunningCluster; readonly sourcePort: () => number }) {
  const podAt = ({ node, port }: Arrival): Pod | undefined =>
    [...cluster.history.pods.values()].find((pod) => pod.spec.nodeName === node.name && portOf(node, pod) === port);
  const arrivalsOf = (node: SimNode, outputs: readonly SentPacket[]): Arrival[] =>
    outputs.flatMap((sent) => {
      if (sent.port !== tunnelOfport) return [{ node, port: sent.port, frame: sent.frame }];
      const there = cluster.nodes.find(({ addresses }) => addresses.some((address) => sent.tunnel?.destination?.equals(address)));
      if (there === undefined || there.bridge.holdsBack) return [];
      return arrivalsOf(there, arrive(there, node, sent, (packet) => there.bridge.receive(packet)) ?? []);
    });
  /** To a pod of the same node, or by the gateway: what a pod's own routes say. */
  const nextHop = (node: SimNode, destination: IpAddress): MacAddress => {
    const pods = [...cluster.history.pods.values()].filter(({ spec }) => spec.nodeName === node.name);
    const neighbour = pods.find((pod) => addressesOf(pod).some((address) => address.equals(destination)));
    return neighbour === undefined ? gatewayMac(node.name) : podMac(addressesOf(neighbour));
  };
  const send = (from: Pod, { source, destination }: Way, payload: TransportPacket): Arrival[] => {
    const node = cluster.nodes.find(({ name }) => name === from.spec.nodeName);
    const inPort = node && portOf(node, from);
    if (node === undefined || inPort === undefined || node.bridge.holdsBack) return [];
    const frame = encodeFrame({
      source: podMac(addressesOf(from)),
      destination: nextHop(node, destination),
      payload:
        source.family === 4
          ? { kind: "ipv4", source, destination, ttl: 64, payload }
          : { kind: "ipv6", source, destination, hopLimit: 64, payload },
    });
    return arrivalsOf(node, node.bridge.receive({ inPort, frame }).outputs);
  };

  return ({ from, destination, port, protocol, timeout }: Asked): Promise<Reached> =>
    new Promise((resolve) => {
      const source = addressOf(from, destination.family);
      const own = sourcePort();
      const end = (reached: Reached): void => {
        for (const stop of stops) stop();
        timer.cancel();
        resolve(reached);
      };
      const arrived = (arrival: Arrival): void => {
        const packet = decodeFrame(arrival.frame)?.payload;
        const pod = podAt(arrival);
        if (pod === undefined || (packet?.kind !== "ipv4" && packet?.kind !== "ipv6")) return;
        const { payload } = packet;
        if (source !== undefined && packet.destination.equals(source)) {
          if (payload.kind === "tcp" && payload.destinationPort === own) end(payload.flags.includes("rst") ? "REFUSED" : "open");
          else if (payload.kind === "udp" && payload.destinationPort === own) end("open");
          else if (payload.kind === "icmp" || payload.kind === "icmpv6") end("REFUSED");
          return;
        }
        if ((payload.kind !== "tcp" && payload.kind !== "udp") || payload.sourcePort !== own) return;
        const served = isServed(pod, payload.destinationPort, protocol);
        if (!served && protocol === "udp") return;
        const answer = segment(protocol, payload.destinationPort, own, served ? "answer" : "refusal");
        for (const back of send(pod, { source: packet.destination, destination: packet.source }, answer)) arrived(back);
      };
      const stops = cluster.nodes.map((node) =>
        node.bridge.onSent((outputs) => {
          for (const arrival of arrivalsOf(node, outputs)) arrived(arrival);
        }),
      );
      const timer = cluster.clock.after(timeout, () => end("TIMEOUT"));
      if (source === undefined) return end("TIMEOUT");
      for (const arrival of send(from, { source, destination }, segment(protocol, own, port, "first"))) arrived(arrival);
    });
}
