import type { RemoteNode } from "#core/pipeline/rows.ts";
import { type IpAddress, Prefix } from "#lib/ip/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import { encodeFrame, neighborRequest } from "#lib/packet/index.ts";
import { type Duration, errorMessage, milliseconds, minutes, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";

/** The switch forgets a tunnel's next hop after 15 minutes (`tnl/neigh/aging`); asked three times as often, none is ever unknown. */
const refreshInterval: Duration = minutes(5);
/** A node that appears, or this one, may not forward yet: it is asked again for as long as two nodes take to start, each time after twice the time. */
const eagerTime: Duration = seconds(60);
const turn: Duration = milliseconds(200);
/**
 * In a turn, so 200 nodes in a second at most. A cluster of 5 000 is asked once in 25 s, a fifth of `refreshInterval` and less than a thousandth of what a link
 * of 1 Gbit/s takes.
 */
const nodesInTurn = 40;

/**
 * The userspace datapath drops the packet that finds the MAC address of a tunnel's next hop unknown, and asks only then: the first connection
 * between two nodes would lose a second. So other nodes on the transport network's link are asked for beforehand; the switch reads the answers as
 * they pass. It reads no requests, so what the node's own stack happens to know does not help it. However many nodes there are, this one sends at most
 * 200 requests a second for each family, and hears about as many of theirs.
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
  /** When each is to be asked next and how long after that again, who waits longest first. */
  const due = new Map<string, { readonly at: number; readonly again: number }>();
  const ask = async (targets: readonly IpAddress[]): Promise<void> => {
    try {
      await askFor({ home, transportInterface, targets });
    } catch (error) {
      // asked again in time; a tunnel works without, but for its first packet
      runtime.logger.debug("cannot ask for tunnels' next hops", { error: errorMessage(error) });
    }
  };
  let turning = false;
  const takeTurn = async (): Promise<void> => {
    turning = due.size > 0 && !signal.aborted;
    if (!turning) return;
    const now = runtime.clock.monotonic();
    const keys = [...due].filter(([, { at }]) => at <= now).slice(0, nodesInTurn);
    for (const [key, { again }] of keys) {
      due.delete(key);
      if (again <= eagerTime / 2) due.set(key, { at: now + again, again: again * 2 });
    }
    await ask(keys.flatMap(([key]) => remoteNodes.get(key)?.transportAddresses ?? []));
    runtime.clock.after(turn, () => void takeTurn(), { background: true });
  };
  const askSoon = (key: string, again: number): void => {
    due.set(key, { at: runtime.clock.monotonic(), again });
    if (!turning) void takeTurn();
  };
  /** All others ask a node that appears, so that many of them wait longer before they do it again. */
  const firstWait = (): number => Math.max(turn, (remoteNodes.size / nodesInTurn) * turn);
  const refresh = (): void => {
    if (signal.aborted) return;
    for (const { name } of remoteNodes.rows()) if (!due.has(name)) askSoon(name, eagerTime);
    runtime.clock.after(refreshInterval, refresh, { background: true });
  };
  const stop = remoteNodes.subscribe(
    ({ key, after }) => {
      if (after === undefined) due.delete(key);
      else askSoon(key, firstWait());
    },
    { replay: true },
  );
  signal.addEventListener("abort", stop, { once: true });
  runtime.clock.after(refreshInterval, refresh, { background: true });
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
