/** How the values of a field are written in ovs-ofctl text. */
export type FieldText =
  | "decimal"
  | "hexadecimal"
  | "ethernet"
  | "ipv4"
  | "ipv6"
  | "port"
  | "ct_state"
  | "tcp_flags"
  | "ip_frag"
  | "tun_flags"
  | "packet_type";

/** What else must be matched for a field to be valid (ovs-fields(7)). Each list holds the permitted exact values of one other field. */
export type Prerequisites = { readonly [Name in FieldName]?: readonly bigint[] };

/** An OXM/NXM type: class and number, and the experimenter of class 0xffff. */
export interface OxmCode {
  readonly class: number;
  readonly number: number;
  readonly experimenter?: number;
}

/** One match field: everything that wire codec, text and switch need to know of it. */
export interface Field {
  readonly name: FieldName;
  /** Bits that carry meaning; the value stands right-aligned in {@link bytes}. */
  readonly bits: number;
  readonly bytes: number;
  /** Codes under which it travels: the first is sent, all are understood. */
  readonly codes: readonly OxmCode[];
  /** The name inside `move:`, `load:` and `learn` text (`NXM_OF_IP_SRC`). */
  readonly nxmName: string;
  readonly maskable: boolean;
  readonly writable: boolean;
  readonly text: FieldText;
  readonly prerequisites: Prerequisites;
  /** Other names ovs-ofctl understands for it. */
  readonly aliases: readonly string[];
}

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
type Register = `reg${Digit | 10 | 11 | 12 | 13 | 14 | 15}` | `xreg${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}` | `xxreg${0 | 1 | 2 | 3}`;
type TunnelMetadata = `tun_metadata${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`;

/** The match fields by their ovs-ofctl names, ovs-fields(7). */
export type FieldName =
  | "in_port"
  | "metadata"
  | "pkt_mark"
  | "conj_id"
  | "packet_type"
  | "actset_output"
  | "dp_hash"
  | "recirc_id"
  | "tun_id"
  | "tun_src"
  | "tun_dst"
  | "tun_ipv6_src"
  | "tun_ipv6_dst"
  | "tun_flags"
  | "tun_gbp_id"
  | "tun_gbp_flags"
  | TunnelMetadata
  | Register
  | "ct_state"
  | "ct_zone"
  | "ct_mark"
  | "ct_label"
  | "ct_nw_proto"
  | "ct_nw_src"
  | "ct_nw_dst"
  | "ct_ipv6_src"
  | "ct_ipv6_dst"
  | "ct_tp_src"
  | "ct_tp_dst"
  | "eth_src"
  | "eth_dst"
  | "eth_type"
  | "vlan_tci"
  | "vlan_vid"
  | "vlan_pcp"
  | "mpls_label"
  | "mpls_tc"
  | "mpls_bos"
  | "mpls_ttl"
  | "ip_src"
  | "ip_dst"
  | "ipv6_src"
  | "ipv6_dst"
  | "ipv6_label"
  | "ip_proto"
  | "nw_tos"
  | "ip_dscp"
  | "nw_ecn"
  | "nw_ttl"
  | "ip_frag"
  | "arp_op"
  | "arp_spa"
  | "arp_tpa"
  | "arp_sha"
  | "arp_tha"
  | "tcp_src"
  | "tcp_dst"
  | "tcp_flags"
  | "udp_src"
  | "udp_dst"
  | "sctp_src"
  | "sctp_dst"
  | "icmp_type"
  | "icmp_code"
  | "icmpv6_type"
  | "icmpv6_code"
  | "nd_target"
  | "nd_sll"
  | "nd_tll"
  | "nd_reserved"
  | "nd_options_type";
