import type { ServiceProtocol } from "#core/services/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { FieldName } from "#lib/openflow/fields.ts";
import type { Match } from "#lib/openflow/match.ts";
import { ipv4, ipv6 } from "../flow-builder.ts";

/** The IP protocol number of what Services carry, and where its ports stand. */
export const layer4 = {
  TCP: { number: 6n, source: "tcp_src", destination: "tcp_dst" },
  UDP: { number: 17n, source: "udp_src", destination: "udp_dst" },
  SCTP: { number: 132n, source: "sctp_src", destination: "sctp_dst" },
} as const satisfies Record<ServiceProtocol, { readonly number: bigint; readonly source: FieldName; readonly destination: FieldName }>;

/** Where the addresses of a family stand. */
export const layer3 = {
  4: { etherType: ipv4, source: "ip_src", destination: "ip_dst", bits: 32 },
  6: { etherType: ipv6, source: "ipv6_src", destination: "ipv6_dst", bits: 128 },
} as const satisfies Record<IpAddress["family"], { readonly source: FieldName; readonly [other: string]: unknown }>;

/** The match on packets of a protocol in the address's family. */
export const carries = ({ family }: IpAddress, protocol: ServiceProtocol): Match => ({
  eth_type: layer3[family].etherType,
  ip_proto: layer4[protocol].number,
});
