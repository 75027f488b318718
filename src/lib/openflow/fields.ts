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
  | "tun_flags";

/** What else must be matched exactly for a field to be valid (ovs-fields(7)): per other field, the permitted values. */
export type Prerequisites = { readonly [Name in FieldName]?: readonly bigint[] };

/** An OXM/NXM type: class and number, and the experimenter where the class is 0xffff. */
export interface OxmCode {
  readonly class: number;
  readonly number: number;
  readonly experimenter?: number;
}

/** One match field: everything that wire codec, text and switch need to know of it. */
export interface Field {
  readonly name: FieldName;
  /** Place in {@link fields}; a field stands behind its prerequisites, so matches are encoded in this order. */
  readonly index: number;
  /** Bits that carry meaning; on the wire the value stands right-aligned in {@link bytes}. */
  readonly bits: number;
  readonly bytes: number;
  /** Codes under which it travels: the first is sent, all are understood. */
  readonly codes: readonly OxmCode[];
  /** Its name in `move`, `load`, `learn` and `output:` text: `NXM_OF_IP_SRC`. */
  readonly nxmName: string;
  /** Bit masks are possible; otherwise all bits or none. */
  readonly maskable: boolean;
  readonly writable: boolean;
  readonly text: FieldText;
  readonly prerequisites: Prerequisites;
  /** Other names ovs-ofctl understands for it. */
  readonly aliases: readonly string[];
  /** 2^bits − 1. */
  readonly allOnes: bigint;
}

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
type Register = `reg${Digit | 10 | 11 | 12 | 13 | 14 | 15}`;
type WideRegister = `xreg${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}` | `xxreg${0 | 1 | 2 | 3}`;
type PipelineField =
  | "in_port"
  | "in_port_oxm"
  | "metadata"
  | "pkt_mark"
  | "conj_id"
  | "packet_type"
  | "actset_output"
  | "dp_hash"
  | "recirc_id";
type TunnelField = "tun_id" | "tun_src" | "tun_dst" | "tun_ipv6_src" | "tun_ipv6_dst" | "tun_flags" | "tun_gbp_id" | "tun_gbp_flags";
type ConntrackField = "ct_state" | "ct_zone" | "ct_mark" | "ct_label" | "ct_nw_proto" | `ct_${"nw" | "ipv6" | "tp"}_${"src" | "dst"}`;
type LinkField = "eth_src" | "eth_dst" | "eth_type" | "vlan_tci" | "vlan_vid" | "vlan_pcp" | `mpls_${"label" | "tc" | "bos" | "ttl"}`;
type IpField = `${"ip" | "ipv6"}_${"src" | "dst"}` | "ipv6_label" | "ip_proto" | "nw_tos" | "ip_dscp" | "nw_ecn" | "nw_ttl" | "ip_frag";
type ArpField = "arp_op" | "arp_spa" | "arp_tpa" | "arp_sha" | "arp_tha";
type TransportField = `${"tcp" | "udp" | "sctp"}_${"src" | "dst"}` | "tcp_flags" | `${"icmp" | "icmpv6"}_${"type" | "code"}`;
type NeighborField = "nd_target" | "nd_sll" | "nd_tll" | "nd_reserved" | "nd_options_type";

/** The match fields by their ovs-ofctl names, ovs-fields(7). `tun_metadata*` and the NSH fields are not there yet: they decode as unknown. */
export type FieldName =
  | PipelineField
  | TunnelField
  | Register
  | WideRegister
  | ConntrackField
  | LinkField
  | IpField
  | ArpField
  | TransportField
  | NeighborField;

/** The experimenters (vendors) whose codes occur in Open vSwitch. */
export const experimenters = { nicira: 0x00002320, onf: 0x4f4e4600, netronome: 0x0000154d } as const;

const oxm = (number: number): OxmCode => ({ class: 0x8000, number });
const packetRegister = (number: number): OxmCode => ({ class: 0x8001, number });
const nxmOf = (number: number): OxmCode => ({ class: 0, number });
const nxmNx = (number: number): OxmCode => ({ class: 1, number });
const ericsson = (number: number): OxmCode => ({ class: 0x1000, number });

const ethernetTypes = { ip: [0x0800n], ipv6: [0x86ddn], anyIp: [0x0800n, 0x86ddn], arp: [0x0806n, 0x8035n], mpls: [0x8847n, 0x8848n] };
const ip: Prerequisites = { eth_type: ethernetTypes.ip };
const ipv6: Prerequisites = { eth_type: ethernetTypes.ipv6 };
const anyIp: Prerequisites = { eth_type: ethernetTypes.anyIp };
const arp: Prerequisites = { eth_type: ethernetTypes.arp };
const mpls: Prerequisites = { eth_type: ethernetTypes.mpls };
const over = (protocol: bigint): Prerequisites => ({ ...anyIp, ip_proto: [protocol] });
const icmp: Prerequisites = { ...ip, ip_proto: [1n] };
const icmpv6: Prerequisites = { ...ipv6, ip_proto: [58n] };
const neighbor = (...types: bigint[]): Prerequisites => ({ ...icmpv6, icmpv6_type: types });

interface Row {
  readonly bits: number;
  readonly bytes?: number;
  readonly codes: readonly OxmCode[];
  readonly nxmName: string;
  readonly text: FieldText;
  readonly exact?: true;
  readonly readOnly?: true;
  readonly prerequisites?: Prerequisites;
  readonly aliases?: readonly string[];
}

const numbered = <Name extends string>(prefix: string, count: number, row: (number: number) => Row): Record<Name, Row> =>
  Object.fromEntries(Array.from({ length: count }, (_, number) => [`${prefix}${number}`, row(number)])) as Record<Name, Row>;

const rows: Record<FieldName, Row> = {
  packet_type: { bits: 32, codes: [oxm(44)], nxmName: "OXM_OF_PACKET_TYPE", text: "hexadecimal", exact: true, readOnly: true },
  dp_hash: { bits: 32, codes: [nxmNx(35)], nxmName: "NXM_NX_DP_HASH", text: "hexadecimal", readOnly: true },
  recirc_id: { bits: 32, codes: [nxmNx(36)], nxmName: "NXM_NX_RECIRC_ID", text: "decimal", exact: true, readOnly: true },
  conj_id: { bits: 32, codes: [nxmNx(37)], nxmName: "NXM_NX_CONJ_ID", text: "decimal", exact: true, readOnly: true },
  in_port: { bits: 16, codes: [nxmOf(0)], nxmName: "NXM_OF_IN_PORT", text: "port", exact: true },
  in_port_oxm: { bits: 32, codes: [oxm(0)], nxmName: "OXM_OF_IN_PORT", text: "port", exact: true },
  actset_output: { bits: 32, codes: [oxm(43)], nxmName: "OXM_OF_ACTSET_OUTPUT", text: "port", exact: true, readOnly: true },
  eth_src: { bits: 48, codes: [oxm(4), nxmOf(2)], nxmName: "NXM_OF_ETH_SRC", text: "ethernet", aliases: ["dl_src"] },
  eth_dst: { bits: 48, codes: [oxm(3), nxmOf(1)], nxmName: "NXM_OF_ETH_DST", text: "ethernet", aliases: ["dl_dst"] },
  eth_type: {
    bits: 16,
    codes: [oxm(5), nxmOf(3)],
    nxmName: "NXM_OF_ETH_TYPE",
    text: "hexadecimal",
    exact: true,
    readOnly: true,
    aliases: ["dl_type"],
  },
  vlan_tci: { bits: 16, codes: [nxmOf(4)], nxmName: "NXM_OF_VLAN_TCI", text: "hexadecimal" },
  // The 13th bit says that there is a tag (OFPVID_PRESENT).
  vlan_vid: { bits: 13, bytes: 2, codes: [oxm(6)], nxmName: "OXM_OF_VLAN_VID", text: "decimal" },
  vlan_pcp: { bits: 3, codes: [oxm(7)], nxmName: "OXM_OF_VLAN_PCP", text: "decimal", exact: true },
  mpls_label: { bits: 20, bytes: 4, codes: [oxm(34)], nxmName: "OXM_OF_MPLS_LABEL", text: "decimal", exact: true, prerequisites: mpls },
  mpls_tc: { bits: 3, codes: [oxm(35)], nxmName: "OXM_OF_MPLS_TC", text: "decimal", exact: true, prerequisites: mpls },
  mpls_bos: { bits: 1, codes: [oxm(36)], nxmName: "OXM_OF_MPLS_BOS", text: "decimal", exact: true, readOnly: true, prerequisites: mpls },
  mpls_ttl: { bits: 8, codes: [nxmNx(30)], nxmName: "NXM_NX_MPLS_TTL", text: "decimal", exact: true, prerequisites: mpls },
  ip_src: { bits: 32, codes: [oxm(11), nxmOf(7)], nxmName: "NXM_OF_IP_SRC", text: "ipv4", prerequisites: ip, aliases: ["nw_src"] },
  ip_dst: { bits: 32, codes: [oxm(12), nxmOf(8)], nxmName: "NXM_OF_IP_DST", text: "ipv4", prerequisites: ip, aliases: ["nw_dst"] },
  ipv6_src: { bits: 128, codes: [oxm(26), nxmNx(19)], nxmName: "NXM_NX_IPV6_SRC", text: "ipv6", prerequisites: ipv6 },
  ipv6_dst: { bits: 128, codes: [oxm(27), nxmNx(20)], nxmName: "NXM_NX_IPV6_DST", text: "ipv6", prerequisites: ipv6 },
  ipv6_label: { bits: 20, bytes: 4, codes: [oxm(28), nxmNx(27)], nxmName: "NXM_NX_IPV6_LABEL", text: "hexadecimal", prerequisites: ipv6 },
  ip_proto: {
    bits: 8,
    codes: [oxm(10), nxmOf(6)],
    nxmName: "NXM_OF_IP_PROTO",
    text: "decimal",
    exact: true,
    readOnly: true,
    prerequisites: anyIp,
    aliases: ["nw_proto"],
  },
  // The DSCP in the upper six bits of the byte; ip_dscp is the same right-aligned.
  nw_tos: { bits: 8, codes: [nxmOf(5)], nxmName: "NXM_OF_IP_TOS", text: "decimal", exact: true, prerequisites: anyIp },
  ip_dscp: { bits: 6, codes: [oxm(8)], nxmName: "OXM_OF_IP_DSCP", text: "decimal", exact: true, prerequisites: anyIp },
  nw_ecn: {
    bits: 2,
    codes: [oxm(9), nxmNx(28)],
    nxmName: "NXM_NX_IP_ECN",
    text: "decimal",
    exact: true,
    prerequisites: anyIp,
    aliases: ["ip_ecn"],
  },
  nw_ttl: { bits: 8, codes: [nxmNx(29)], nxmName: "NXM_NX_IP_TTL", text: "decimal", exact: true, prerequisites: anyIp },
  ip_frag: {
    bits: 2,
    codes: [nxmNx(26)],
    nxmName: "NXM_NX_IP_FRAG",
    text: "ip_frag",
    readOnly: true,
    prerequisites: anyIp,
    aliases: ["nw_frag"],
  },
  arp_op: { bits: 16, codes: [oxm(21), nxmOf(15)], nxmName: "NXM_OF_ARP_OP", text: "decimal", exact: true, prerequisites: arp },
  arp_spa: { bits: 32, codes: [oxm(22), nxmOf(16)], nxmName: "NXM_OF_ARP_SPA", text: "ipv4", prerequisites: arp },
  arp_tpa: { bits: 32, codes: [oxm(23), nxmOf(17)], nxmName: "NXM_OF_ARP_TPA", text: "ipv4", prerequisites: arp },
  arp_sha: { bits: 48, codes: [oxm(24), nxmNx(17)], nxmName: "NXM_NX_ARP_SHA", text: "ethernet", prerequisites: arp },
  arp_tha: { bits: 48, codes: [oxm(25), nxmNx(18)], nxmName: "NXM_NX_ARP_THA", text: "ethernet", prerequisites: arp },
  tcp_src: { bits: 16, codes: [oxm(13), nxmOf(9)], nxmName: "NXM_OF_TCP_SRC", text: "decimal", prerequisites: over(6n) },
  tcp_dst: { bits: 16, codes: [oxm(14), nxmOf(10)], nxmName: "NXM_OF_TCP_DST", text: "decimal", prerequisites: over(6n) },
  tcp_flags: {
    bits: 12,
    bytes: 2,
    codes: [oxm(42), nxmNx(34), { class: 0xffff, number: 42, experimenter: experimenters.onf }],
    nxmName: "NXM_NX_TCP_FLAGS",
    text: "tcp_flags",
    readOnly: true,
    prerequisites: over(6n),
  },
  udp_src: { bits: 16, codes: [oxm(15), nxmOf(11)], nxmName: "NXM_OF_UDP_SRC", text: "decimal", prerequisites: over(17n) },
  udp_dst: { bits: 16, codes: [oxm(16), nxmOf(12)], nxmName: "NXM_OF_UDP_DST", text: "decimal", prerequisites: over(17n) },
  sctp_src: { bits: 16, codes: [oxm(17)], nxmName: "OXM_OF_SCTP_SRC", text: "decimal", prerequisites: over(132n) },
  sctp_dst: { bits: 16, codes: [oxm(18)], nxmName: "OXM_OF_SCTP_DST", text: "decimal", prerequisites: over(132n) },
  icmp_type: { bits: 8, codes: [oxm(19), nxmOf(13)], nxmName: "NXM_OF_ICMP_TYPE", text: "decimal", exact: true, prerequisites: icmp },
  icmp_code: { bits: 8, codes: [oxm(20), nxmOf(14)], nxmName: "NXM_OF_ICMP_CODE", text: "decimal", exact: true, prerequisites: icmp },
  icmpv6_type: { bits: 8, codes: [oxm(29), nxmNx(21)], nxmName: "NXM_NX_ICMPV6_TYPE", text: "decimal", exact: true, prerequisites: icmpv6 },
  icmpv6_code: { bits: 8, codes: [oxm(30), nxmNx(22)], nxmName: "NXM_NX_ICMPV6_CODE", text: "decimal", exact: true, prerequisites: icmpv6 },
  nd_target: { bits: 128, codes: [oxm(31), nxmNx(23)], nxmName: "NXM_NX_ND_TARGET", text: "ipv6", prerequisites: neighbor(135n, 136n) },
  nd_sll: { bits: 48, codes: [oxm(32), nxmNx(24)], nxmName: "NXM_NX_ND_SLL", text: "ethernet", prerequisites: neighbor(135n) },
  nd_tll: { bits: 48, codes: [oxm(33), nxmNx(25)], nxmName: "NXM_NX_ND_TLL", text: "ethernet", prerequisites: neighbor(136n) },
  nd_reserved: {
    bits: 32,
    codes: [ericsson(1)],
    nxmName: "ERICOXM_OF_ICMPV6_ND_RESERVED",
    text: "decimal",
    exact: true,
    prerequisites: neighbor(135n, 136n),
  },
  nd_options_type: {
    bits: 8,
    codes: [ericsson(2)],
    nxmName: "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE",
    text: "decimal",
    exact: true,
    prerequisites: neighbor(135n, 136n),
  },
  tun_id: { bits: 64, codes: [oxm(38), nxmNx(16)], nxmName: "NXM_NX_TUN_ID", text: "hexadecimal", aliases: ["tunnel_id"] },
  tun_flags: { bits: 1, bytes: 2, codes: [nxmNx(104)], nxmName: "NXM_NX_TUN_FLAGS", text: "tun_flags" },
  tun_src: { bits: 32, codes: [nxmNx(31)], nxmName: "NXM_NX_TUN_IPV4_SRC", text: "ipv4" },
  tun_dst: { bits: 32, codes: [nxmNx(32)], nxmName: "NXM_NX_TUN_IPV4_DST", text: "ipv4" },
  tun_ipv6_src: { bits: 128, codes: [nxmNx(109)], nxmName: "NXM_NX_TUN_IPV6_SRC", text: "ipv6" },
  tun_ipv6_dst: { bits: 128, codes: [nxmNx(110)], nxmName: "NXM_NX_TUN_IPV6_DST", text: "ipv6" },
  tun_gbp_id: { bits: 16, codes: [nxmNx(38)], nxmName: "NXM_NX_TUN_GBP_ID", text: "decimal" },
  tun_gbp_flags: { bits: 8, codes: [nxmNx(39)], nxmName: "NXM_NX_TUN_GBP_FLAGS", text: "hexadecimal" },
  ...numbered<Register>("reg", 16, (number) => ({ bits: 32, codes: [nxmNx(number)], nxmName: `NXM_NX_REG${number}`, text: "hexadecimal" })),
  ...numbered<`xreg${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`>("xreg", 8, (number) => ({
    bits: 64,
    codes: [packetRegister(number)],
    nxmName: `OXM_OF_PKT_REG${number}`,
    text: "hexadecimal",
  })),
  ...numbered<`xxreg${0 | 1 | 2 | 3}`>("xxreg", 4, (number) => ({
    bits: 128,
    codes: [nxmNx(111 + number)],
    nxmName: `NXM_NX_XXREG${number}`,
    text: "hexadecimal",
  })),
  pkt_mark: { bits: 32, codes: [nxmNx(33)], nxmName: "NXM_NX_PKT_MARK", text: "hexadecimal" },
  ct_state: { bits: 32, codes: [nxmNx(105)], nxmName: "NXM_NX_CT_STATE", text: "ct_state", readOnly: true },
  ct_zone: { bits: 16, codes: [nxmNx(106)], nxmName: "NXM_NX_CT_ZONE", text: "hexadecimal", exact: true, readOnly: true },
  ct_mark: { bits: 32, codes: [nxmNx(107)], nxmName: "NXM_NX_CT_MARK", text: "hexadecimal" },
  ct_label: { bits: 128, codes: [nxmNx(108)], nxmName: "NXM_NX_CT_LABEL", text: "hexadecimal" },
  ct_nw_src: { bits: 32, codes: [nxmNx(120)], nxmName: "NXM_NX_CT_NW_SRC", text: "ipv4", readOnly: true, prerequisites: ip },
  ct_ipv6_src: { bits: 128, codes: [nxmNx(122)], nxmName: "NXM_NX_CT_IPV6_SRC", text: "ipv6", readOnly: true, prerequisites: ipv6 },
  ct_nw_dst: { bits: 32, codes: [nxmNx(121)], nxmName: "NXM_NX_CT_NW_DST", text: "ipv4", readOnly: true, prerequisites: ip },
  ct_ipv6_dst: { bits: 128, codes: [nxmNx(123)], nxmName: "NXM_NX_CT_IPV6_DST", text: "ipv6", readOnly: true, prerequisites: ipv6 },
  ct_nw_proto: {
    bits: 8,
    codes: [nxmNx(119)],
    nxmName: "NXM_NX_CT_NW_PROTO",
    text: "decimal",
    exact: true,
    readOnly: true,
    prerequisites: anyIp,
  },
  ct_tp_src: {
    bits: 16,
    codes: [nxmNx(124)],
    nxmName: "NXM_NX_CT_TP_SRC",
    text: "decimal",
    readOnly: true,
    prerequisites: { ...anyIp, ct_nw_proto: [6n, 17n, 132n] },
  },
  ct_tp_dst: {
    bits: 16,
    codes: [nxmNx(125)],
    nxmName: "NXM_NX_CT_TP_DST",
    text: "decimal",
    readOnly: true,
    prerequisites: { ...anyIp, ct_nw_proto: [6n, 17n, 132n] },
  },
  metadata: { bits: 64, codes: [oxm(2)], nxmName: "OXM_OF_METADATA", text: "hexadecimal" },
};

/** Every field by name. */
export const fields: { readonly [Name in FieldName]: Field } = Object.fromEntries(
  Object.entries(rows).map(([name, row], index) => [
    name,
    {
      name: name as FieldName,
      index,
      bits: row.bits,
      bytes: row.bytes ?? Math.ceil(row.bits / 8),
      codes: row.codes,
      nxmName: row.nxmName,
      maskable: row.exact !== true,
      writable: row.readOnly !== true,
      text: row.text,
      prerequisites: row.prerequisites ?? {},
      aliases: row.aliases ?? [],
      allOnes: (1n << BigInt(row.bits)) - 1n,
    } satisfies Field,
  ]),
) as { readonly [Name in FieldName]: Field };

/** Every field, by {@link Field.index}. */
export const fieldList: readonly Field[] = Object.values(fields);

const byText = new Map(
  fieldList.flatMap((field) => [field.name, field.nxmName.toLowerCase(), ...field.aliases].map((name) => [name, field])),
);
for (const field of fieldList) for (const code of field.codes) if (code.class === 0x8000) byText.set(standardName(field), field);

/** Finds a field by its name, an alias, or its NXM/OXM name in any case. */
export function findField(name: string): Field | undefined {
  return byText.get(name.toLowerCase());
}

/** OXM names where the NXM name differs: `OXM_OF_IPV4_SRC` beside `NXM_OF_IP_SRC`. */
function standardName(field: Field): string {
  const special: Readonly<Record<string, string>> = {
    ip_src: "oxm_of_ipv4_src",
    ip_dst: "oxm_of_ipv4_dst",
    nw_ecn: "oxm_of_ip_ecn",
    ipv6_label: "oxm_of_ipv6_flabel",
    icmp_type: "oxm_of_icmpv4_type",
    icmp_code: "oxm_of_icmpv4_code",
    nd_target: "oxm_of_ipv6_nd_target",
    nd_sll: "oxm_of_ipv6_nd_sll",
    nd_tll: "oxm_of_ipv6_nd_tll",
    tun_id: "oxm_of_tunnel_id",
  };
  return special[field.name] ?? `oxm_of_${field.name}`;
}
