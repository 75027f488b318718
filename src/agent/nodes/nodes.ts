import type { RemoteNode } from "#core/pipeline/rows.ts";
import { type Family, type IpAddress, type Prefix, tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import type { Node } from "#lib/kube/index.ts";
import type { Logger } from "#lib/runtime/index.ts";
import { createTable, type ReadTable } from "#lib/table/index.ts";

/** Comma-separated addresses that other nodes send tunnelled packets to, where they differ from the Node's own. */
export const transportAddressesAnnotation = "node.antrea.io/transport-addresses";
/** MAC of the node's gateway. */
export const macAddressAnnotation = "node.antrea.io/mac-address";

/** The node we run on, as the API tells it. */
export interface ThisNode {
  readonly name: string;
  readonly uid: string | undefined;
  /** Addresses of pods here, at most one block for each family. */
  readonly podCIDRs: readonly Prefix[];
  /** The Node's addresses, in the API's order. */
  readonly addresses: readonly IpAddress[];
}

/** Reads the Node; undefined while it has no pod addresses or none of its own. */
export function thisNodeOf(node: Node | undefined): ThisNode | undefined {
  const podCIDRs = node === undefined ? [] : podCidrsOf(node);
  const addresses = node === undefined ? [] : nodeAddressesOf(node);
  if (node?.metadata.name === undefined || podCIDRs.length === 0 || addresses.length === 0) return undefined;
  return { name: node.metadata.name, uid: node.metadata.uid, podCIDRs, addresses };
}

/** Resolves once the API has the Node with pod addresses. */
export function whenThisNode(nodes: ReadTable<Node>, name: string, signal: AbortSignal): Promise<ThisNode> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      stop();
      reject(signal.reason);
    };
    const look = (): void => {
      const found = thisNodeOf(nodes.get(name));
      if (found === undefined) return;
      stop();
      resolve(found);
    };
    const unsubscribe = nodes.subscribe(({ key }) => key === name && look());
    const stop = (): void => {
      unsubscribe();
      signal.removeEventListener("abort", aborted);
    };
    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) aborted();
    else look();
  });
}

/** Says it when the Node gets other pod addresses than the agent began with: pods and gateway have the old ones until it is started anew. */
export function tellOfNewPodCidrs(nodes: ReadTable<Node>, known: ThisNode, logger: Logger): void {
  let told = known.podCIDRs.join();
  nodes.subscribe(({ key, after }) => {
    const podCIDRs = key === known.name ? thisNodeOf(after)?.podCIDRs.join() : undefined;
    if (podCIDRs === undefined || podCIDRs === told) return;
    told = podCIDRs;
    logger.error("the Node's pod CIDRs changed; restart the agent and its pods to use them", {
      before: known.podCIDRs.join(),
      now: podCIDRs,
    });
  });
}

/**
 * The other nodes that have pod addresses and can be sent to. Rows by name. `reachable` are the families of our own transport addresses:
 * endpoints of these come first.
 */
export function followRemoteNodes(options: {
  readonly nodes: ReadTable<Node>;
  readonly self: string;
  readonly reachable: readonly Family[];
}): ReadTable<RemoteNode> {
  const { nodes, self, reachable } = options;
  const table = createTable<RemoteNode>({
    name: "remote nodes",
    key: ({ name }) => name,
    same: (before, after) => JSON.stringify(before) === JSON.stringify(after),
  });
  const filled = table.initializer("nodes");
  nodes.subscribe(
    ({ key, after }) => {
      const row = after === undefined || key === self ? undefined : remoteNodeOf(after, reachable);
      if (row === undefined) table.delete(key);
      else table.upsert(row);
    },
    { replay: true },
  );
  void nodes.whenSynced().then(filled);
  return table;
}

function remoteNodeOf(node: Node, reachable: readonly Family[]): RemoteNode | undefined {
  const podCIDRs = podCidrsOf(node);
  const announced = addressesOf(node.metadata.annotations?.[transportAddressesAnnotation]?.split(",") ?? []);
  const endpoints = announced.length > 0 ? announced : nodeAddressesOf(node);
  const [usable, others] = [true, false].map((usable) => endpoints.filter(({ family }) => reachable.includes(family) === usable));
  const transportAddresses = [...(usable ?? []), ...(others ?? [])];
  if (node.metadata.name === undefined || podCIDRs.length === 0 || transportAddresses.length === 0) return undefined;
  return { name: node.metadata.name, podCIDRs, transportAddresses };
}

function podCidrsOf({ spec }: Node): Prefix[] {
  const texts = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  return texts.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
}

/** InternalIP before ExternalIP, as Kubernetes components choose. */
function nodeAddressesOf({ status }: Node): IpAddress[] {
  const ofType = (type: string) => (status?.addresses ?? []).filter((entry) => entry.type === type).map(({ address }) => address);
  const internal = addressesOf(ofType("InternalIP"));
  return internal.length > 0 ? internal : addressesOf(ofType("ExternalIP"));
}

const addressesOf = (texts: readonly string[]): IpAddress[] =>
  texts.map((text) => tryParseAddress(text.trim())).filter((address) => address !== undefined);
