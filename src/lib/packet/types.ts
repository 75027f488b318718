import type { IpAddress, MacAddress } from "#lib/ip/index.ts";

/** An Ethernet II frame (IEEE 802.3) with what it carries, without its frame check sequence. */
export interface EthernetFrame {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  /** Outermost first; absent without tags. */
  readonly vlans?: readonly VlanTag[];
  readonly payload: NetworkPacket;
}

/** IEEE 802.1Q, 802.1ad. */
export interface VlanTag {
  /** 0x8100 (default) or 0x88a8. */
  readonly tagType?: number;
  /** 0 … 4095. */
  readonly id: number;
  /** 0 … 7. Default 0. */
  readonly priority?: number;
  readonly dropEligible?: true;
}

export type NetworkPacket = ArpPacket | Ipv4Packet | Ipv6Packet | OtherNetworkPacket;

/** What is neither ARP nor IP, or says it is and is not. Bytes are kept. */
export interface OtherNetworkPacket {
  readonly kind: "other";
  /** The EtherType, or a length below 1536 in IEEE 802.3 framing. */
  readonly etherType: number;
  readonly bytes: Uint8Array;
  /** Set when the EtherType is known and the rest is not what it should be. */
  readonly malformed?: true;
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface ArpPacket {
  readonly kind: "arp";
  /** 1 request, 2 reply. */
  readonly operation: number;
  readonly senderMac: MacAddress;
  readonly senderAddress: IpAddress;
  readonly targetMac: MacAddress;
  readonly targetAddress: IpAddress;
}

/** RFC 791. Lengths and checksum are made when encoding. */
export interface Ipv4Packet {
  readonly kind: "ipv4";
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Default 64. */
  readonly ttl: number;
  /** 0 … 63. */
  readonly dscp?: number;
  /** 0 … 3. */
  readonly ecn?: number;
  readonly identification?: number;
  readonly dontFragment?: true;
  readonly moreFragments?: true;
  /** In units of 8 bytes. */
  readonly fragmentOffset?: number;
  /** A multiple of 4 bytes, at most 40. */
  readonly options?: Uint8Array;
  readonly payload: TransportPacket;
  /** Set by decoding when the header's checksum was wrong. Encoding writes the right one. */
  readonly badChecksum?: true;
}

/** RFC 8200. */
export interface Ipv6Packet {
  readonly kind: "ipv6";
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly hopLimit: number;
  /** 0 … 255. */
  readonly trafficClass?: number;
  /** 20 bits. */
  readonly flowLabel?: number;
  readonly extensions?: readonly Ipv6Extension[];
  readonly payload: TransportPacket;
}

export type Ipv6Extension =
  /** Hop-by-hop (0), routing (43) or destination options (60). `bytes` follow the length: 6 more than a multiple of 8. */
  | { readonly header: 0 | 43 | 60; readonly bytes: Uint8Array }
  /** `offset` in units of 8 bytes. */
  | { readonly header: 44; readonly offset: number; readonly more: boolean; readonly identification: number };

export type TransportPacket = TcpSegment | UdpDatagram | SctpPacket | IcmpMessage | Icmpv6Message | OtherTransportPacket;

/** Another protocol, a fragment, or a known protocol that is malformed. Bytes are kept. */
export interface OtherTransportPacket {
  readonly kind: "other";
  /** IP protocol number. */
  readonly protocol: number;
  readonly bytes: Uint8Array;
  readonly malformed?: true;
}

export const tcpFlags = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"] as const;
export type TcpFlag = (typeof tcpFlags)[number];

/** RFC 9293. */
export interface TcpSegment {
  readonly kind: "tcp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  /** In the order of {@link tcpFlags}. */
  readonly flags: readonly TcpFlag[];
  readonly window: number;
  readonly urgentPointer?: number;
  /** A multiple of 4 bytes, at most 40. */
  readonly options?: Uint8Array;
  readonly payload: Uint8Array;
  readonly badChecksum?: true;
}

/** RFC 768. */
export interface UdpDatagram {
  readonly kind: "udp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
  readonly badChecksum?: true;
}

/** RFC 9260. */
export interface SctpPacket {
  readonly kind: "sctp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  readonly chunks: readonly SctpChunk[];
  readonly badChecksum?: true;
}

export interface SctpChunk {
  /** 0 DATA, 1 INIT, 2 INIT ACK, … */
  readonly type: number;
  readonly flags: number;
  /** Without padding. */
  readonly value: Uint8Array;
}

/** RFC 792. */
export interface IcmpMessage {
  readonly kind: "icmp";
  readonly type: number;
  readonly code: number;
  /** The four bytes behind the checksum: identifier and sequence of an echo, for one. */
  readonly rest: number;
  readonly payload: Uint8Array;
  readonly badChecksum?: true;
}

/** RFC 4443 and neighbor discovery (RFC 4861). */
export interface Icmpv6Message {
  readonly kind: "icmpv6";
  readonly body: Icmpv6Body;
  readonly badChecksum?: true;
}

export type Icmpv6Body =
  | { readonly type: "router_solicitation"; readonly options: readonly NeighborOption[] }
  | RouterAdvertisement
  | { readonly type: "neighbor_solicitation"; readonly target: IpAddress; readonly options: readonly NeighborOption[] }
  | {
      readonly type: "neighbor_advertisement";
      readonly target: IpAddress;
      readonly router?: true;
      readonly solicited?: true;
      readonly override?: true;
      readonly options: readonly NeighborOption[];
    }
  | {
      readonly type: "other";
      readonly number: number;
      readonly code: number;
      /** The four bytes behind the checksum. */
      readonly rest: number;
      readonly payload: Uint8Array;
    };

export interface RouterAdvertisement {
  readonly type: "router_advertisement";
  readonly hopLimit: number;
  readonly managed?: true;
  readonly other?: true;
  /** Seconds, 0 … 65535. */
  readonly lifetime: number;
  /** Milliseconds. */
  readonly reachableTime: number;
  /** Milliseconds. */
  readonly retransmitTime: number;
  readonly options: readonly NeighborOption[];
}

export type NeighborOption =
  | { readonly type: "source_link_address"; readonly mac: MacAddress }
  | { readonly type: "target_link_address"; readonly mac: MacAddress }
  | { readonly type: "mtu"; readonly mtu: number }
  /** Lifetimes in seconds; 2^32 − 1 is for ever. */
  | {
      readonly type: "prefix";
      readonly prefix: IpAddress;
      readonly length: number;
      readonly onLink?: true;
      readonly autonomous?: true;
      readonly validLifetime: number;
      readonly preferredLifetime: number;
    }
  /** `bytes` follow the length: 6 more than a multiple of 8. */
  | { readonly type: "other"; readonly number: number; readonly bytes: Uint8Array };
