import type { RemoteNode } from "#core/pipeline/rows.ts";
import { type IpAddress, Prefix } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import { encodeFrame, neighborRequest } from "#lib/packet/index.ts";
import { type Duration, errorMessage, milliseconds, minutes, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** The switch forgets a tunnel's next hop after 15 minutes (`tnl/neigh/aging`); asked three times as often, none is ever unknown. */
const refreshInterval: Duration = minutes(5);
/** A node that appears, or this one, may not forward yet: it is asked for again and again for as long as two nodes take to start. */
const eagerInterval: Duration = milliseconds(200);
const eagerTime: Duration = seconds(60);

/**
 * The userspace datapath drops the packet that finds the MAC address of a tunnel's next hop unknown, and asks only then: the first connection
 * between two nodes would lose a second. So other nodes on the transport network's link are asked for beforehand; the switch reads the answers as
 * they pass. It reads no requests, so what the node's own stack happens to know does not help it.
 */
export function keepTunnelNeighbours({
  runtime,
  home,
  transportInterface,
  remoteNodes,
  signal,
}: {
  readonly runtime: Runtime;
  readonly home: NetworkNamespace;
  readonly transportInterface: string;
  readonly remoteNodes: ReadTable<RemoteNode>;
  readonly signal: AbortSignal;
}): void {
  const eagerUntil = new Map<string, number>();
  const ask = async (targets: readonly IpAddress[]): Promise<void> => {
    try {
      await askFor({ home, transportInterface, targets });
    } catch (error) {
      // asked again in time; a tunnel works without, but for its first packet
      runtime.logger.debug("cannot ask for tunnels' next hops", { error: errorMessage(error) });
    }
  };
  let eager = false;
  const askEagerly = async (): Promise<void> => {
    const now = runtime.clock.monotonic();
    for (const [key, until] of eagerUntil) if (now > until) eagerUntil.delete(key);
    eager = eagerUntil.size > 0 && !signal.aborted;
    if (!eager) return;
    await ask([...eagerUntil.keys()].flatMap((key) => remoteNodes.get(key)?.transportAddresses ?? []));
    runtime.clock.after(eagerInterval, () => void askEagerly(), { background: true });
  };
  const refresh = async (): Promise<void> => {
    if (signal.aborted) return;
    await ask([...remoteNodes.rows()].flatMap(({ transportAddresses }) => transportAddresses));
    runtime.clock.after(refreshInterval, () => void refresh(), { background: true });
  };
  const stop = remoteNodes.subscribe(
    ({ key, after }) => {
      if (after === undefined) eagerUntil.delete(key);
      else eagerUntil.set(key, runtime.clock.monotonic() + eagerTime);
      if (!eager) void askEagerly();
    },
    { replay: true },
  );
  signal.addEventListener("abort", stop, { once: true });
  void refresh();
}

/** Sends an ARP request or a neighbor solicitation for each target on the link. Those behind a router are the router's. */
async function askFor({
  home,
  transportInterface,
  targets,
}: {
  readonly home: NetworkNamespace;
  readonly transportInterface: string;
  readonly targets: readonly IpAddress[];
}): Promise<void> {
  if (targets.length === 0) return;
  const { index, mac } = await home.link({ name: transportInterface });
  const own = await home.addresses({ linkIndex: index });
  const frames = targets.flatMap((target) => {
    const from = own.find(({ address, prefixLength }) => new Prefix(address, prefixLength).contains(target));
    return from === undefined || mac === undefined ? [] : [encodeFrame(neighborRequest({ mac, address: from.address }, target))];
  });
  if (frames.length > 0) await home.sendFrames(index, frames);
}
