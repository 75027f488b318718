import type { Node } from "#lib/kube/index.ts";
import type { NetworkNamespace } from "#lib/netlink/index.ts";
import { type Duration, errorMessage, onAbort, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { NodeChanged } from "../errors.ts";
import { type ThisNode, thisNodeOf } from "./nodes.ts";
import { findTransport, type Transport, type TransportConfig } from "./transport.ts";

/** An interface that is given its addresses anew has none for a moment, and whoever writes the Node may do so in parts. */
const settleTime: Duration = seconds(1);

/**
 * Rejects with {@link NodeChanged} when the node's pod CIDRs or its transport interface, with addresses and MTU, are no longer those that the agent
 * began with: nearly everything follows from them, and a start changes nothing in the switch that is right already. A state in which the agent could not
 * start (no transport interface, no Node) is waited out. Rejects with the signal's reason when that comes first.
 */
export function whenThisNodeChanges(options: {
  readonly runtime: Runtime;
  readonly nodes: ReadTable<Node>;
  readonly known: ThisNode;
  readonly home: NetworkNamespace;
  readonly config: TransportConfig;
  readonly transport: Transport;
  readonly signal: AbortSignal;
}): Promise<never> {
  const { runtime, nodes, known, home, config, transport, signal } = options;
  return new Promise((_resolve, reject) => {
    let timer: { cancel(): void } | undefined;
    const difference = async (): Promise<string | undefined> => {
      const now = thisNodeOf(nodes.get(known.name), { podCidrsNeeded: false });
      if (now === undefined) return undefined;
      if (known.podCIDRs.length > 0 && now.podCIDRs.length > 0 && String(now.podCIDRs) !== String(known.podCIDRs))
        return `its pod CIDRs are ${now.podCIDRs.join(", ")}, were ${known.podCIDRs.join(", ")}`;
      const [links, addresses] = await Promise.all([home.links(), home.addresses()]);
      const found = textOf(findTransport(config, now.addresses, { links, addresses }));
      return found === textOf(transport) ? undefined : `its transport interface is ${found}, was ${textOf(transport)}`;
    };
    const look = async (): Promise<void> => {
      timer = undefined;
      try {
        const what = await difference();
        if (what !== undefined && !signal.aborted) reject(new NodeChanged(known.name, what));
      } catch (error) {
        runtime.logger.warn("the node changes; its transport interface is not clear at the moment", { error: errorMessage(error) });
      }
    };
    const lookSoon = (): void => {
      if (!signal.aborted) timer ??= runtime.clock.after(settleTime, () => void look(), { background: true });
    };
    const unsubscribe = nodes.subscribe(({ key }) => key === known.name && lookSoon());
    const unwatch = home.watch(["link", "address"], (event) => {
      const concerned =
        event.kind === "overrun" || event.kind === "address" || (event.kind === "link" && event.link.name === transport.interfaceName);
      if (concerned) lookSoon();
    });
    unwatch.catch(() => {});
    onAbort(signal, () => {
      timer?.cancel();
      unsubscribe();
      unwatch.then((stop) => stop()).catch(() => {});
      reject(signal.reason);
    });
  });
}

const textOf = ({ interfaceName, mtu, addresses, subnets, announced }: Transport): string =>
  `${interfaceName} (${addresses.map((address, index) => `${address}/${subnets[index]?.length ?? ""}`).join(", ")}, MTU ${mtu}${announced ? ", told by annotation" : ""})`;
