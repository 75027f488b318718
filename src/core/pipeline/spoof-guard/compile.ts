import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { arp, flow, ipSource, ipv6, setField, setRegister } from "../flow-builder.ts";
import { portKind } from "../registers.ts";
import type { Gateway, LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

const icmpv6 = 58n;
const solicitation = 135n;
const advertisement = 136n;
/** A neighbour message with a smaller hop limit was forwarded by a router and must be ignored (RFC 4861 §7.1). */
const ndHopLimit = 255n;

/**
 * Pods may only send from the addresses they were given: IP, ARP and neighbour discovery, one flow per address and kind. Announcements of a
 * pod's own address go to the gateway, so that the host notices who has it now. Router messages of pods match nothing and end.
 */
export function compileSpoofGuard(pipeline: Pipeline, port: LocalPort): Flow[] {
  return port.addresses.flatMap((address) => {
    const from = { in_port: BigInt(port.ofport), eth_src: port.mac.value };
    const made = { cookie: cookie("podConnectivity", port.ofport) };
    const toGateway = setRegister("destination", portKind.gateway);
    const ip = flow(pipeline, "SpoofGuard", {
      ...made,
      priority: "normal",
      match: { ...from, ...ipSource(address) },
      next: "PipelineIPClassifier",
    });
    if (address.family === 4) {
      const sender = { ...from, eth_type: arp, arp_sha: port.mac.value, arp_spa: address.value };
      return [
        ip,
        flow(pipeline, "ARPSpoofGuard", { ...made, priority: "normal", match: sender, next: "ARPResponder" }),
        flow(pipeline, "ARPSpoofGuard", {
          ...made,
          priority: "high",
          match: { ...sender, arp_tpa: address.value },
          actions: [toGateway],
          next: "ARPResponder",
        }),
      ];
    }
    const sender = { ...from, eth_type: ipv6, ip_proto: icmpv6, nw_ttl: ndHopLimit, ipv6_src: address.value };
    // What answers a solicitation that was not multicast may leave its link-layer address out (RFC 4861 §4.4).
    const linkLayerAddresses = pipeline.answersNeighbourDiscovery ? [port.mac.value] : [port.mac.value, 0n];
    return [
      ip,
      flow(pipeline, "IPv6", {
        ...made,
        priority: "normal",
        match: { ...sender, icmpv6_type: solicitation },
        next: "NDResponder",
      }),
      ...linkLayerAddresses.map((nd_tll) =>
        flow(pipeline, "IPv6", {
          ...made,
          priority: "normal",
          match: { ...sender, icmpv6_type: advertisement, nd_target: address.value, nd_tll },
          actions: [toGateway],
          next: "NDResponder",
        }),
      ),
    ];
  });
}

/** The host is trusted with its own addresses. It asks for its neighbours, and answers those that are brought to it; its router messages end. */
export function compileGatewayGuard(pipeline: Pipeline, { ofport, mac }: Gateway): Flow[] {
  const from = { in_port: BigInt(ofport) };
  const made = { cookie: cookie("podConnectivity", ofport) };
  return [
    flow(pipeline, "ARPSpoofGuard", { ...made, priority: "normal", match: { ...from, eth_type: arp }, next: "ARPResponder" }),
    ...(pipeline.answersNeighbourDiscovery ? [solicitation] : [solicitation, advertisement]).map((icmpv6_type) =>
      flow(pipeline, "IPv6", {
        ...made,
        priority: "normal",
        match: { ...from, eth_type: ipv6, ip_proto: icmpv6, nw_ttl: ndHopLimit, icmpv6_type },
        // The host may have put its mark there; the answer goes back to this address.
        actions: [setField("eth_src", mac.value)],
        next: "NDResponder",
      }),
    ),
  ];
}
