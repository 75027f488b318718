import { InvalidFlowText } from "./errors.ts";
import { type Field, type FieldName, fields, findField } from "./fields.ts";
import { type FieldMatch, type Match, type MatchTerm, matchTerms } from "./match.ts";
import { formatHex, formatValue, parseInteger, parseValue } from "./value-text.ts";

/** The match as `ovs-ofctl dump-flows` prints it: same names, same order, no spaces. Empty for one that matches everything. */
export function formatMatch(match: Match): string {
  const terms = new Map(matchTerms(match).map((term) => [term.field.name, term]));
  const parts: string[] = [];
  const protocol = protocolWord(terms);
  for (const name of printOrder) {
    if (name === "protocol") {
      if (protocol !== undefined) parts.push(protocol.word);
      continue;
    }
    const term = terms.get(name);
    if (term !== undefined && !protocol?.covers.includes(name)) parts.push(formatTerm(term));
  }
  return parts.join(",");
}

/** Reads the match part of a flow: `ip,nw_src=10.0.0.0/8,tp_dst=80`; commas or spaces between. Throws {@link InvalidFlowText}. */
export function parseMatch(text: string): Match {
  return matchFromParts(text.split(/[,\s]+/).filter((part) => part !== ""));
}

/** Reads the conditions that `parts` name, in any order. Throws {@link InvalidFlowText}. */
export function matchFromParts(parts: readonly string[]): Match {
  const match: { [Name in FieldName]?: FieldMatch } = {};
  const add = (field: Field, value: bigint, mask: bigint): void => {
    if (match[field.name] !== undefined) throw new InvalidFlowText(parts.join(","), `sets ${field.name} twice`);
    if (mask !== 0n) match[field.name] = mask === field.allOnes ? value : { value, mask };
  };
  // Protocol words first: they say which field the generic names (tp_dst, icmp_type, …) mean.
  for (const part of parts)
    for (const [name, value] of Object.entries(protocolWords[part] ?? {}))
      add(fields[name as FieldName], value, fields[name as FieldName].allOnes);
  for (const part of parts.filter((part) => /^(dl_type|eth_type|nw_proto|ip_proto)=/.test(part))) {
    const [name = "", value = ""] = part.split("=");
    const field = findField(name);
    // In ARP, the old name means the operation.
    const target = field?.name === "ip_proto" && isArp(match) ? fields.arp_op : field;
    if (target !== undefined) add(target, parseValue(target, value).value, target.allOnes);
  }
  for (const part of parts) {
    if (protocolWords[part] !== undefined || /^(dl_type|eth_type|nw_proto|ip_proto)=/.test(part)) continue;
    const equals = part.indexOf("=");
    if (equals < 0) throw new InvalidFlowText(part, "is neither a protocol nor name=value");
    const name = part.slice(0, equals).toLowerCase();
    const value = part.slice(equals + 1);
    const vlan = parseVlan(name, value);
    const field = vlan === undefined ? resolveField(name, match) : fields.vlan_tci;
    if (field === undefined) throw new InvalidFlowText(part, "names no match field");
    const parsed = vlan ?? parseValue(field, value);
    if (field.name === "vlan_tci" && match.vlan_tci !== undefined) match.vlan_tci = combine(match.vlan_tci, parsed);
    else add(field, parsed.value, parsed.mask);
  }
  return match;
}

const printOrder: readonly (FieldName | "protocol")[] = [
  "pkt_mark",
  "recirc_id",
  "dp_hash",
  "conj_id",
  "actset_output",
  "ct_state",
  "ct_zone",
  "ct_mark",
  "ct_label",
  "ct_nw_src",
  "ct_ipv6_src",
  "ct_nw_dst",
  "ct_ipv6_dst",
  "ct_nw_proto",
  "ct_tp_src",
  "ct_tp_dst",
  "packet_type",
  "protocol",
  ...Array.from({ length: 16 }, (_, number) => `reg${number}` as FieldName),
  "tun_id",
  "tun_src",
  "tun_dst",
  "tun_ipv6_src",
  "tun_ipv6_dst",
  "tun_gbp_id",
  "tun_gbp_flags",
  "tun_flags",
  "metadata",
  "in_port_oxm",
  "vlan_tci",
  "eth_src",
  "eth_dst",
  "eth_type",
  "ipv6_src",
  "ipv6_dst",
  "ipv6_label",
  "arp_spa",
  "arp_tpa",
  "ip_src",
  "ip_dst",
  "ip_proto",
  "arp_op",
  "arp_sha",
  "arp_tha",
  "ip_dscp",
  "nw_ecn",
  "nw_ttl",
  "mpls_label",
  "mpls_tc",
  "mpls_ttl",
  "mpls_bos",
  "ip_frag",
  "icmp_type",
  "icmpv6_type",
  "icmp_code",
  "icmpv6_code",
  "nd_target",
  "nd_sll",
  "nd_tll",
  "nd_reserved",
  "nd_options_type",
  "tcp_src",
  "udp_src",
  "sctp_src",
  "tcp_dst",
  "udp_dst",
  "sctp_dst",
  "tcp_flags",
];

/** What one word of ovs-ofctl stands for. */
const protocolWords: Readonly<Record<string, { readonly [Name in FieldName]?: bigint }>> = {
  ip: { eth_type: 0x0800n },
  ipv6: { eth_type: 0x86ddn },
  ip6: { eth_type: 0x86ddn },
  arp: { eth_type: 0x0806n },
  rarp: { eth_type: 0x8035n },
  mpls: { eth_type: 0x8847n },
  mplsm: { eth_type: 0x8848n },
  icmp: { eth_type: 0x0800n, ip_proto: 1n },
  tcp: { eth_type: 0x0800n, ip_proto: 6n },
  udp: { eth_type: 0x0800n, ip_proto: 17n },
  sctp: { eth_type: 0x0800n, ip_proto: 132n },
  icmp6: { eth_type: 0x86ddn, ip_proto: 58n },
  tcp6: { eth_type: 0x86ddn, ip_proto: 6n },
  udp6: { eth_type: 0x86ddn, ip_proto: 17n },
  sctp6: { eth_type: 0x86ddn, ip_proto: 132n },
};

function protocolWord(
  terms: ReadonlyMap<FieldName, MatchTerm>,
): { readonly word: string; readonly covers: readonly FieldName[] } | undefined {
  const type = terms.get("eth_type")?.value;
  const protocol = terms.get("ip_proto")?.value;
  const find = (wanted: bigint | undefined): string | undefined =>
    Object.entries(protocolWords).find(([, value]) => value.eth_type === type && value.ip_proto === wanted)?.[0];
  if (type === undefined) return undefined;
  const both = protocol === undefined ? undefined : find(protocol);
  if (both !== undefined) return { word: both, covers: ["eth_type", "ip_proto"] };
  const word = find(undefined);
  return word === undefined ? undefined : { word, covers: ["eth_type"] };
}

/** The names of OpenFlow 1.0 that ovs-ofctl still prints. */
const printedNames: { readonly [Name in FieldName]?: string } = {
  in_port_oxm: "in_port",
  eth_src: "dl_src",
  eth_dst: "dl_dst",
  eth_type: "dl_type",
  ip_src: "nw_src",
  ip_dst: "nw_dst",
  ip_proto: "nw_proto",
  ip_dscp: "nw_tos",
  ip_frag: "nw_frag",
  tcp_src: "tp_src",
  tcp_dst: "tp_dst",
  udp_src: "tp_src",
  udp_dst: "tp_dst",
  sctp_src: "tp_src",
  sctp_dst: "tp_dst",
  icmpv6_type: "icmp_type",
  icmpv6_code: "icmp_code",
};

const paddedHex = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, "0")}`;

function formatTerm(term: MatchTerm): string {
  const { field, value, mask } = term;
  const name = printedNames[field.name] ?? field.name;
  const exact = mask === field.allOnes;
  switch (field.name) {
    case "vlan_tci":
      return formatVlan(term);
    case "eth_type":
      return `${name}=${paddedHex(value, 4)}`;
    case "ipv6_label":
      return `${name}=${paddedHex(value, 5)}${exact ? "" : `/${paddedHex(mask, 5)}`}`;
    case "ip_dscp":
      return `${name}=${value << 2n}`;
    case "ct_zone":
      return `${name}=${value}`;
    case "packet_type":
      return `packet_type=(${value >> 16n},${formatHex(value & 0xffffn)})`;
  }
  if (field.text === "decimal" && !exact) return `${name}=${paddedHex(value, 1)}/${paddedHex(mask, 1)}`;
  return `${name}=${formatValue(field, value, mask)}`;
}

const vlanPresent = 0x1000n;

function formatVlan({ value, mask }: MatchTerm): string {
  const vidMask = mask & 0xfffn;
  const pcpMask = mask & 0xe000n;
  const whole = (vidMask === 0n || vidMask === 0xfffn) && (pcpMask === 0n || pcpMask === 0xe000n) && (vidMask !== 0n || pcpMask !== 0n);
  if (whole && (mask & value & vlanPresent) !== 0n) {
    const parts = [];
    if (vidMask !== 0n) parts.push(`dl_vlan=${value & 0xfffn}`);
    if (pcpMask !== 0n) parts.push(`dl_vlan_pcp=${value >> 13n}`);
    return parts.join(",");
  }
  return mask === 0xffffn ? `vlan_tci=${paddedHex(value, 4)}` : `vlan_tci=${paddedHex(value, 4)}/${paddedHex(mask, 4)}`;
}

/** `dl_vlan` and `dl_vlan_pcp` imply a tag; `dl_vlan=0xffff` is no tag. */
function parseVlan(name: string, text: string): { readonly value: bigint; readonly mask: bigint } | undefined {
  if (name !== "dl_vlan" && name !== "dl_vlan_pcp") return undefined;
  const number = parseInteger(text);
  if (number === undefined) throw new InvalidFlowText(`${name}=${text}`, "needs a number");
  if (name === "dl_vlan_pcp") return { value: ((number & 7n) << 13n) | vlanPresent, mask: 0xe000n | vlanPresent };
  return number === 0xffffn ? { value: 0n, mask: 0xffffn } : { value: (number & 0xfffn) | vlanPresent, mask: 0x1fffn };
}

function combine(present: FieldMatch, added: { readonly value: bigint; readonly mask: bigint }): FieldMatch {
  const { value, mask } = typeof present === "bigint" ? { value: present, mask: 0xffffn } : present;
  const both = { value: value | added.value, mask: mask | added.mask };
  return both.mask === 0xffffn ? both.value : both;
}

function resolveField(name: string, match: Match): Field | undefined {
  if (name === "tp_src" || name === "tp_dst") {
    const side = name === "tp_src" ? "src" : "dst";
    if (match.ip_proto === 6n) return fields[`tcp_${side}`];
    if (match.ip_proto === 17n) return fields[`udp_${side}`];
    if (match.ip_proto === 132n) return fields[`sctp_${side}`];
    return undefined;
  }
  if ((name === "icmp_type" || name === "icmp_code") && match.eth_type === 0x86ddn)
    return name === "icmp_type" ? fields.icmpv6_type : fields.icmpv6_code;
  if ((name === "nw_src" || name === "nw_dst") && isArp(match)) return name === "nw_src" ? fields.arp_spa : fields.arp_tpa;
  return findField(name);
}

const isArp = (match: Match): boolean => match.eth_type === 0x0806n || match.eth_type === 0x8035n;
