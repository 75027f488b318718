import { createSocket } from "node:dgram";
import type { RemoteNode } from "#core/pipeline/rows.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { milliseconds, minutes, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** The switch forgets a tunnel's next hop after 15 minutes (`tnl/neigh/aging`); asked three times as often, none is ever unknown. */
const refreshInterval = minutes(5);
/** A node that appears, or this one, may not forward yet: it is asked for again and again for as long as two nodes take to start. */
const eagerInterval = milliseconds(200);
const eagerTime = seconds(60);
/** The discard port (RFC 863): the datagram itself is of no use to anybody. */
const discardPort = 9;

/**
 * The userspace datapath drops the packet that finds the MAC address of a tunnel's next hop unknown, and asks only then: the first connection
 * between two nodes would lose a second. So the node's own stack is made to ask beforehand, by a datagram of one byte to each other node; the
 * switch reads the answer as it passes.
 */
export function keepTunnelNeighbours({
  runtime,
  remoteNodes,
  signal,
}: {
  readonly runtime: Runtime;
  readonly remoteNodes: ReadTable<RemoteNode>;
  readonly signal: AbortSignal;
}): void {
  const sockets = { 4: createSocket("udp4"), 6: createSocket({ type: "udp6", ipv6Only: true }) } as const;
  for (const socket of Object.values(sockets)) {
    // An address that cannot be reached now is asked for again in time.
    socket.on("error", (error) => runtime.logger.debug("cannot ask for a tunnel's next hop", { error: error.message }));
    socket.unref();
  }
  const ask = (address: IpAddress): void => sockets[address.family].send(Uint8Array.of(0), discardPort, address.toString(), () => {});
  const eagerUntil = new Map<string, number>();
  const stop = remoteNodes.subscribe(
    ({ key, after }) => {
      if (after === undefined) eagerUntil.delete(key);
      else eagerUntil.set(key, runtime.clock.monotonic() + eagerTime);
    },
    { replay: true },
  );
  const askEagerly = (): void => {
    if (signal.aborted) return;
    for (const [key, until] of eagerUntil) {
      remoteNodes.get(key)?.transportAddresses.forEach(ask);
      if (runtime.clock.monotonic() > until) eagerUntil.delete(key);
    }
    runtime.clock.after(eagerInterval, askEagerly, { background: true });
  };
  askEagerly();
  const refresh = (): void => {
    if (signal.aborted) return;
    for (const { transportAddresses } of remoteNodes.rows()) transportAddresses.forEach(ask);
    runtime.clock.after(refreshInterval, refresh, { background: true });
  };
  runtime.clock.after(refreshInterval, refresh, { background: true });
  signal.addEventListener(
    "abort",
    () => {
      stop();
      for (const socket of Object.values(sockets)) socket.close();
    },
    { once: true },
  );
}
