import { learnedReplies } from "#core/pipeline/sctp/compile.ts";
import type { Pipeline } from "#core/pipeline/tables.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import type { FlushedConnections, OpenFlowConnection } from "#lib/openflow/connection.ts";
import { type Clock, type Duration, seconds } from "#lib/runtime/index.ts";
import { withDeadline } from "./deadline.ts";
import type { CniSettings } from "./dependencies.ts";

/** Within which the switch takes the change, or what it knows stays until it times out. A pod's end waits for it; some 60 ms where nothing is wrong. */
const patience: Duration = seconds(5);

/**
 * Forgets the tracked connections of addresses, and the replies to SCTP that the switch learned of them: whoever went on sending would keep them fresh,
 * and the next pod with one of the addresses would be open to it. Waits for `whenGone`, as until then a packet begins them anew.
 * Pods that end together are one change of the switch. Rejects when there is no switch within {@link patience}.
 */
export function connectionPurge(options: {
  readonly clock: Clock;
  readonly pipeline: Pipeline;
  /** Where the kernel's datapath tracks. Default: the switch itself does. */
  readonly home?: Pick<NetworkNamespace, "deleteConntrack"> | undefined;
  /** Resolves when flows of pods that are gone are out of the switch and of its cache. */
  readonly whenGone: () => Promise<void>;
  readonly connect: (signal: AbortSignal) => Promise<Pick<OpenFlowConnection, "change" | "flushConnections" | "close">>;
}): CniSettings["purgeConnections"] {
  const { clock, pipeline, home, whenGone, connect } = options;
  const inTime = (work: (signal: AbortSignal) => Promise<void>): Promise<void> =>
    withDeadline(clock, patience, work, (cause) => new Error("the switch takes no changes", { cause }));
  const forget = async (addresses: readonly IpAddress[], signal: AbortSignal): Promise<void> => {
    const connection = await connect(signal);
    try {
      const learned = addresses.flatMap((address) => learnedReplies(pipeline, address));
      const tracked = home === undefined ? addresses.flatMap((address) => connectionsOf(pipeline, address)) : [];
      await Promise.all([
        connection.change(learned.map((flow) => ({ command: "delete", flow }) as const)),
        ...tracked.map((which) => connection.flushConnections(which)),
      ]);
    } finally {
      connection.close();
    }
  };
  let together: { readonly addresses: IpAddress[]; readonly forgotten: Promise<void> } | undefined;
  const forgetTogether = (wanted: readonly IpAddress[]): Promise<void> => {
    if (together === undefined) {
      const addresses: IpAddress[] = [];
      const forgotten = new Promise<void>((resolve) => clock.soon(resolve)).then(() => {
        together = undefined;
        return inTime((signal) => forget(addresses, signal));
      });
      together = { addresses, forgotten };
    }
    together.addresses.push(...wanted);
    return together.forgotten;
  };
  return async (addresses) => {
    try {
      await inTime(async () => {
        await whenGone();
        await forgetTogether(addresses);
      });
    } finally {
      // Also when the switch is away: the kernel goes on without it.
      if (home !== undefined) for (const address of addresses) await home.deleteConntrack({ address });
    }
  };
}

/**
 * Not ICMP: vswitchd 3.1 aborts when it is to forget a tracked ICMPv6 echo by an incomplete tuple (tried). Echoes time out sooner
 * than an address leaves quarantine. SCTP where flows of ours trust what is tracked of it.
 */
const forgottenProtocols = ({ tracksSctp }: Pipeline): readonly number[] => (tracksSctp ? [6, 17, 132] : [6, 17]);

/** The address began the connection, or answered it (its source in the reply direction, whatever service stood before it). */
const connectionsOf = (pipeline: Pipeline, address: IpAddress): FlushedConnections[] =>
  forgottenProtocols(pipeline).flatMap((protocol) => [
    { protocol, source: address },
    { protocol, reply: { source: address } },
  ]);
