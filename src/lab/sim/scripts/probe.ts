import { podMac } from "#agent/cni/names.ts";
import { gatewayMac, tunnelOfport } from "#agent/ovs/bridge.ts";
import { keyOf, type Pod } from "#lib/kube/index.ts";
import { encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { RunningCluster } from "../cluster.ts";
import { addressesOf, addressOf, arrive, portOf } from "../way.ts";

export type Protocol = "tcp" | "udp";

/** Whether `to` answers `from` by each of its addresses, by the switches of the simulation: a first packet, and its answer. Pods serve what their containers' arguments say. */
export function probeBySwitches({ cluster, sourcePort }: { readonly cluster: RunningCluster; readonly sourcePort: () => number }) {
  const nodeOf = ({ spec }: Pod) => cluster.nodes.find(({ name }) => name === spec.nodeName);
  const carry = (from: Pod, to: Pod, source: IpAddress, destination: IpAddress, payload: TransportPacket): boolean => {
    const [here, there] = [nodeOf(from), nodeOf(to)];
    const [inPort, outPort] = [here && portOf(here, from), there && portOf(there, to)];
    if (here === undefined || there === undefined || inPort === undefined || outPort === undefined) return false;
    const frame = encodeFrame({
      source: podMac(addressesOf(from)),
      destination: here === there ? podMac(addressesOf(to)) : gatewayMac(here.name),
      payload:
        source.family === 4
          ? { kind: "ipv4", source, destination, ttl: 64, payload }
          : { kind: "ipv6", source, destination, hopLimit: 64, payload },
    });
    const sent = here.bridge.memory.process({ inPort, frame }).outputs;
    const tunnelled = here === there ? undefined : sent.find(({ port }) => port === tunnelOfport);
    const arrived = here === there ? sent : tunnelled === undefined ? [] : (arrive(there, here, tunnelled) ?? []);
    return arrived.some(({ port }) => port === outPort);
  };
  return (from: Pod, to: Pod, port: number, protocol: Protocol): { readonly asked: number; readonly open: number } => {
    const served = isServed(to, port, protocol);
    const found = addressesOf(to).map((destination) => {
      const source = addressOf(from, destination.family);
      if (source === undefined) return false;
      // A pod to itself leaves it not.
      if (keyOf(from) === keyOf(to)) return served;
      const own = sourcePort();
      const there = carry(from, to, source, destination, segment(protocol, own, port, "first"));
      return there && served && carry(to, from, destination, source, segment(protocol, port, own, "answer"));
    });
    return { asked: found.length, open: found.filter(Boolean).length };
  };
}

const flagsOf = { first: ["syn"], answer: ["syn", "ack"], refusal: ["rst", "ack"] } as const;

/** The first packet of a connection, the answer to it, or the refusal, which is TCP's alone. */
export function segment(protocol: Protocol, sourcePort: number, destinationPort: number, what: keyof typeof flagsOf): TransportPacket {
  if (protocol === "udp") return { kind: "udp", sourcePort, destinationPort, payload: new Uint8Array(4) };
  return {
    kind: "tcp",
    sourcePort,
    destinationPort,
    sequence: 1,
    acknowledgment: what === "first" ? 0 : 2,
    flags: flagsOf[what],
    window: 65_535,
    payload: new Uint8Array(0),
  };
}

/** `agnhost netexec` listens where its arguments say. */
export function isServed({ spec }: Pod, port: number, protocol: Protocol): boolean {
  const flag = protocol === "tcp" ? "--http-port=" : "--udp-port=";
  const all = spec.containers.flatMap((container) => (container as { readonly args?: readonly string[] }).args ?? []);
  return all.some((argument) => argument === `${flag}${port}`);
}
