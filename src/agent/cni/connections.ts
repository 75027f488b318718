import { learnedReplies } from "#core/pipeline/sctp/compile.ts";
import type { Pipeline } from "#core/pipeline/tables.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import { type Clock, type Duration, seconds } from "#lib/runtime/index.ts";
import type { SwitchControl } from "../platform.ts";
import { withDeadline } from "./deadline.ts";
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

/** Within which the switch takes the change, or the replies stay until they time out. A pod's end waits for it; some 60 ms where nothing is wrong. */
const patience: Duration = seconds(5);

/**
 * Forgets the replies to SCTP that the switch learned of addresses: whoever went on sending would keep them fresh, and the next pod with one of them
 * would be open to it. Waits for `whenGone`, as the switch learns them anew of whatever it has cached. Rejects when there is no switch within {@link patience}.
 */
export function replyPurge(options: {
  readonly clock: Clock;
  readonly pipeline: Pipeline;
  /** Resolves when flows of pods that are gone are out of the switch and of its cache. */
  readonly whenGone: () => Promise<void>;
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "change" | "close">>;
}): CniSettings["purgeConnections"] {
  const { clock, pipeline, whenGone, connect } = options;
  const forget = async (addresses: readonly IpAddress[], signal: AbortSignal): Promise<void> => {
    await whenGone();
    signal.throwIfAborted();
    const connection = await connect(signal);
    try {
      const learned = addresses.flatMap((address) => learnedReplies(pipeline, address));
      await connection.change(learned.map((flow) => ({ command: "delete", flow }) as const));
    } finally {
      connection.close();
    }
  };
  return (addresses) =>
    withDeadline(
      clock,
      patience,
      (signal) => forget(addresses, signal),
      (cause) => new Error("the switch takes no changes", { cause }),
    );
}

/**
 * TCP and UDP alone: vswitchd 3.1 aborts when it is to forget a tracked ICMPv6 echo by an incomplete tuple (tried). Echoes time out sooner
 * than an address leaves quarantine, and no flow of ours trusts tracked SCTP: see {@link replyPurge}.
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
