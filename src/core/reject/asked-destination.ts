import { IpAddress } from "#lib/ip/index.ts";
import type { Match } from "#lib/openflow/match.ts";

/** Where a client sent a packet before the switch wrote an endpoint into it. */
export interface AskedDestination {
  readonly address: IpAddress;
  /** Of TCP and UDP. */
  readonly port?: number;
}

const invalid = 16n;
const tracked = 32n;
const withPorts = [6n, 17n, 132n];

/**
 * The destination by which the connection tracker knows the connection (its original tuple, which it reads before anything is translated). Undefined
 * when it does not know the packet, or the packet goes the other way.
 */
export function askedDestination(metadata: Match): AskedDestination | undefined {
  const state = exact(metadata, "ct_state") ?? 0n;
  if ((state & tracked) === 0n || (state & (invalid | reply)) !== 0n) return undefined;
  const v4 = exact(metadata, "ct_nw_dst");
  const v6 = exact(metadata, "ct_ipv6_dst");
  const address = v4 !== undefined ? new IpAddress(4, v4) : v6 !== undefined ? new IpAddress(6, v6) : undefined;
  if (address === undefined) return undefined;
  const port = exact(metadata, "ct_tp_dst");
  // The userspace tracker does not look at SCTP's ports.
  if (port === undefined || port === 0n || !withPorts.includes(exact(metadata, "ct_nw_proto") ?? 0n)) return { address };
  return { address, port: Number(port) };
}

const reply = 8n;

function exact(metadata: Match, field: keyof Match): bigint | undefined {
  const found = metadata[field];
  return typeof found === "bigint" ? found : found?.value;
}
