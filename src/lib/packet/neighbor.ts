import { IpAddress, MacAddress, parseAddress, parseMac } from "#lib/ip/index.ts";
import type { EthernetFrame, Icmpv6Body } from "./types.ts";

const broadcast = parseMac("ff:ff:ff:ff:ff:ff");
const nobody = parseMac("00:00:00:00:00:00");
const allNodes = parseAddress("ff02::1");
const solicitedNodes = parseAddress("ff02::1:ff00:0");
/** Neighbor discovery is only believed with the hop limit that no router lets through (RFC 4861 §7.1). */
const linkHopLimit = 255;

/** An address and the MAC it is at. */
export interface Neighbor {
  readonly mac: MacAddress;
  readonly address: IpAddress;
}

/** Tells the link where `address` is: a gratuitous ARP request for IPv4 (RFC 5227 §3), an unsolicited neighbor advertisement for IPv6 (RFC 4861 §7.2.6). */
export function announcement({ mac, address }: Neighbor): EthernetFrame {
  if (address.family === 4)
    return {
      destination: broadcast,
      source: mac,
      payload: { kind: "arp", operation: 1, senderMac: mac, senderAddress: address, targetMac: nobody, targetAddress: address },
    };
  return discovery({ mac, address }, allNodes, multicastMac(allNodes), {
    type: "neighbor_advertisement",
    target: address,
    override: true,
    options: [{ type: "target_link_address", mac }],
  });
}

/** Asks the link who has `target`: an ARP request, or a neighbor solicitation. */
export function neighborRequest(from: Neighbor, target: IpAddress): EthernetFrame {
  if (target.family === 4)
    return {
      destination: broadcast,
      source: from.mac,
      payload: { kind: "arp", operation: 1, senderMac: from.mac, senderAddress: from.address, targetMac: nobody, targetAddress: target },
    };
  const group = new IpAddress(6, solicitedNodes.value | (target.value & 0xff_ffffn));
  return discovery(from, group, multicastMac(group), {
    type: "neighbor_solicitation",
    target,
    options: [{ type: "source_link_address", mac: from.mac }],
  });
}

/** Answers such a request: `who` is at `who.mac`. */
export function neighborReply(who: Neighbor, to: Neighbor): EthernetFrame {
  if (who.address.family === 4)
    return {
      destination: to.mac,
      source: who.mac,
      payload: { kind: "arp", operation: 2, senderMac: who.mac, senderAddress: who.address, targetMac: to.mac, targetAddress: to.address },
    };
  return discovery(who, to.address, to.mac, {
    type: "neighbor_advertisement",
    target: who.address,
    solicited: true,
    override: true,
    options: [{ type: "target_link_address", mac: who.mac }],
  });
}

/** Where multicast to an IPv6 group goes on Ethernet: 33:33 and its last 32 bits (RFC 2464 §7). */
export function multicastMac(group: IpAddress): MacAddress {
  return new MacAddress((0x3333n << 32n) | (group.value & 0xffff_ffffn));
}

function discovery(from: Neighbor, destination: IpAddress, mac: MacAddress, body: Icmpv6Body): EthernetFrame {
  return {
    destination: mac,
    source: from.mac,
    payload: { kind: "ipv6", source: from.address, destination, hopLimit: linkHopLimit, payload: { kind: "icmpv6", body } },
  };
}
