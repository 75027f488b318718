import type { Action } from "#lib/openflow/action.ts";
import type { PacketIn, PacketOut } from "#lib/openflow/connection.ts";
import type { MacAddress } from "#lib/ip/index.ts";
import { tunnelMac } from "#core/pipeline/host-mark.ts";
import { askedDestination } from "./asked-destination.ts";
import { refusalOf, type Refusal } from "./rejection.ts";

/** Who is behind a port of the bridge: a pod or the gateway, by its MAC, or the tunnel to other nodes. */
export type Link = { readonly kind: "direct"; readonly mac: MacAddress } | { readonly kind: "tunnel" };

const ethernetAddress = 6;

/**
 * The answer to a packet that is rejected, and how it gets to its client: out by the port that the packet came in by, past all tables. It meets neither
 * spoof guard nor policy here, so that two ends that reject each other do not go on forever; where it came through the tunnel, the node of the
 * client translates it back and knows it as a reply. `linkOf` tells who is behind a port; undefined: gone meanwhile.
 */
export function wayBack(
  { packet, metadata }: Pick<PacketIn, "packet" | "metadata">,
  { because, linkOf }: Pick<Refusal, "because"> & { readonly linkOf: (port: number) => Link | undefined },
): PacketOut | undefined {
  const port = number(metadata.in_port);
  const link = port === undefined ? undefined : linkOf(port);
  if (port === undefined || link === undefined) return undefined;
  const answer = refusalOf(packet, { because, asked: askedDestination(metadata) });
  if (answer === undefined) return undefined;
  // The switch may have routed the packet already: then its source address is not the client's any more.
  const frame = answer.slice();
  frame.set((link.kind === "direct" ? link.mac : tunnelMac).bytes(), 0);
  if (link.kind === "direct") return { packet: frame, actions: [{ type: "output", port }] };
  frame.set(tunnelMac.bytes(), ethernetAddress);
  const endpoint = tunnelSource(metadata);
  return endpoint === undefined ? undefined : { packet: frame, actions: [endpoint, { type: "output", port }] };
}

/** Back to the node that the packet came from. */
function tunnelSource(metadata: PacketIn["metadata"]): Action | undefined {
  const v4 = value(metadata.tun_src);
  if (v4 !== undefined && v4 !== 0n) return { type: "set_field", field: "tun_dst", value: v4 };
  const v6 = value(metadata.tun_ipv6_src);
  return v6 === undefined || v6 === 0n ? undefined : { type: "set_field", field: "tun_ipv6_dst", value: v6 };
}

const value = (found: PacketIn["metadata"]["in_port"]): bigint | undefined => (typeof found === "bigint" ? found : found?.value);
const number = (found: PacketIn["metadata"]["in_port"]): number | undefined => {
  const bits = value(found);
  return bits === undefined ? undefined : Number(bits);
};
