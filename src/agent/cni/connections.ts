import type { IpAddress } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { SwitchControl } from "../platform.ts";
import type { CniSettings } from "./dependencies.ts";

/**
 * Forgets the tracked connections of addresses, so that the next pod with one of them inherits no admitted connection. The kernel's
 * datapath tracks in the kernel; netdev inside vswitchd, which is asked on its control socket (OVS 3.1 takes incomplete tuples).
 */
export function connectionPurge(
  datapath: { readonly type: "system"; readonly home: NetworkNamespace } | { readonly type: "netdev"; readonly control: SwitchControl },
): CniSettings["purgeConnections"] {
  if (datapath.type === "system") {
    return async (addresses) => {
      for (const address of addresses) await datapath.home.deleteConntrack({ address });
    };
  }
  const { control } = datapath;
  return async (addresses) => {
    for (const address of addresses) {
      for (const tuples of tuplesOf(address)) await control("dpctl/flush-conntrack", tuples);
    }
  };
}

/**
 * TCP and UDP alone: vswitchd 3.1 aborts when it is to forget a tracked ICMPv6 echo by an incomplete tuple (tried). Echoes time out sooner
 * than an address leaves quarantine, and no flow of ours trusts tracked SCTP.
 */
const forgottenProtocols = [6, 17] as const;

/** The address began the connection, or answered it (its source in the reply direction, whatever service stood before it). */
function tuplesOf(address: IpAddress): string[][] {
  const field = address.family === 4 ? "ct_nw_src" : "ct_ipv6_src";
  return forgottenProtocols.flatMap((protocol) => {
    const tuple = `${field}=${address},ct_nw_proto=${protocol}`;
    return [[tuple], ["", tuple]];
  });
}
