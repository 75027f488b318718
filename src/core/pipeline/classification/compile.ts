import type { Flow } from "#lib/openflow/flow.ts";
import { cookie } from "../cookie.ts";
import { arp, flow, ipv4, ipv6, setField, setRegister } from "../flow-builder.ts";
import { layoutMark } from "../layout.ts";
import { hostMarkBit, hostMarkMac } from "../host-mark.ts";
import { portKind } from "../registers.ts";
import type { Gateway, LocalPort, Tunnel } from "../rows.ts";
import type { Pipeline } from "../tables.ts";

const icmpv6 = 58n;
/** Router solicitation and advertisement, neighbour solicitation and advertisement, redirect (RFC 4861 §4). */
const neighbourDiscoveryTypes = [133n, 134n, 135n, 136n, 137n];
/** The bit of a VLAN identifier that says that there is a tag. */
const vlanPresent = 0x1000n;

/** Parts ARP, neighbour discovery and IP. Anything else, and whatever carries a VLAN tag, ends here. */
export function compileRoot(pipeline: Pipeline): Flow[] {
  const root = "PipelineRootClassifier";
  const made = { cookie: cookie("default", layoutMark(pipeline.layout)) };
  return [
    flow(pipeline, root, { ...made, priority: "top", match: { vlan_vid: { value: vlanPresent, mask: vlanPresent } }, next: "drop" }),
    flow(pipeline, root, { ...made, priority: "normal", match: { eth_type: arp }, next: "ARPSpoofGuard" }),
    ...neighbourDiscoveryTypes.map((type) =>
      flow(pipeline, root, {
        ...made,
        priority: "high",
        match: { eth_type: ipv6, ip_proto: icmpv6, icmpv6_type: type },
        next: "IPv6",
      }),
    ),
    ...[ipv4, ipv6].map((eth_type) => flow(pipeline, root, { ...made, priority: "normal", match: { eth_type }, next: "Classifier" })),
  ];
}

/** Multicast and broadcast end: ARP and neighbour discovery are answered before, and no other group traffic is carried yet. */
export function compileMulticastEnd(pipeline: Pipeline): Flow[] {
  const group = 0x01_00_00_00_00_00n;
  const match = [
    { eth_dst: { value: group, mask: group } },
    { eth_type: ipv4, ip_dst: { value: 0xe000_0000n, mask: 0xf000_0000n } },
    { eth_type: ipv6, ipv6_dst: { value: 0xffn << 120n, mask: 0xffn << 120n } },
  ];
  return match.map((condition) =>
    flow(pipeline, "PipelineIPClassifier", { priority: "high", cookie: cookie("default"), match: condition, next: "drop" }),
  );
}

/** Packets from host and outside. Those that the host itself made are told by the host mark, in either of its two forms. */
export function compileGatewayClassification(pipeline: Pipeline, { ofport, mac }: Gateway): Flow[] {
  const from = { in_port: BigInt(ofport) };
  const made = { cookie: cookie("podConnectivity", ofport) };
  const kind = setRegister("source", portKind.gateway);
  const next = "PipelineIPClassifier";
  return [
    flow(pipeline, "Classifier", { ...made, priority: "normal", match: from, actions: [kind], next }),
    flow(pipeline, "Classifier", {
      ...made,
      priority: "high",
      match: { ...from, eth_src: hostMarkMac.value },
      actions: [kind, setRegister("hostOrigin", 1n), setField("eth_src", mac.value)],
      next,
    }),
    flow(pipeline, "Classifier", {
      ...made,
      priority: "top",
      match: { ...from, pkt_mark: { value: hostMarkBit, mask: hostMarkBit } },
      actions: [kind, setRegister("hostOrigin", 1n)],
      next,
    }),
    // A pod sends to the gateway's address what its own subnet does not hold: the switch is the router of what it can reach itself.
    flow(pipeline, "PipelineIPClassifier", {
      ...made,
      priority: "normal",
      match: { eth_dst: mac.value },
      actions: [setRegister("routed", 1n)],
      next: "UnSNAT",
    }),
  ];
}

export function compileTunnelClassification(pipeline: Pipeline, { ofport }: Tunnel): Flow[] {
  return [
    flow(pipeline, "Classifier", {
      priority: "normal",
      cookie: cookie("podConnectivity", ofport),
      match: { in_port: BigInt(ofport) },
      actions: [setRegister("source", portKind.tunnel), setRegister("routed", 1n)],
      next: "PipelineIPClassifier",
    }),
  ];
}

export function compilePodClassification(pipeline: Pipeline, { ofport }: LocalPort): Flow[] {
  return [
    flow(pipeline, "Classifier", {
      priority: "normal",
      cookie: cookie("podConnectivity", ofport),
      match: { in_port: BigInt(ofport) },
      actions: [setRegister("source", portKind.pod)],
      next: "SpoofGuard",
    }),
  ];
}
