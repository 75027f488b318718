import type { RemoteNode } from "#core/pipeline/rows.ts";
import { type IpAddress, type Prefix, tryParseAddress, tryParsePrefix } from "#lib/ip/index.ts";
import type { Node } from "#lib/kube/index.ts";
import { createSharedMap, createTable, type ReadTable } from "#lib/table/index.ts";
import type { Ways } from "./ways.ts";

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

/** Reads the Node; undefined while it has no address of its own, or no pod addresses and needs some. */
export function thisNodeOf(node: Node | undefined, { podCidrsNeeded = true } = {}): ThisNode | undefined {
  const podCIDRs = node === undefined ? [] : podCidrsOf(node);
  const addresses = node === undefined ? [] : nodeAddressesOf(node);
  if (node?.metadata.name === undefined || (podCidrsNeeded && podCIDRs.length === 0) || addresses.length === 0) return undefined;
  return { name: node.metadata.name, uid: node.metadata.uid, podCIDRs, addresses };
}

/** Resolves once the API has the Node with all that {@link thisNodeOf} wants. */
export function whenThisNode(
  nodes: ReadTable<Node>,
  name: string,
  signal: AbortSignal,
  needs: { readonly podCidrsNeeded?: boolean } = {},
): Promise<ThisNode> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      stop();
      reject(signal.reason);
    };
    const look = (): void => {
      const found = thisNodeOf(nodes.get(name), needs);
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

/** The other nodes that have pod addresses and addresses of their own, with the ways that lead there. Rows by name. */
export function followRemoteNodes(options: {
  readonly nodes: ReadTable<Node>;
  readonly self: string;
  readonly ways: Ways;
}): ReadTable<RemoteNode> {
  const { nodes, self, ways } = options;
  const table = createTable<RemoteNode>({
    name: "remote nodes",
    key: ({ name }) => name,
    same: (before, after) => before === after || textOf(before) === textOf(after),
    manyAlike: true,
  });
  const filled = table.initializer("nodes");
  /** Which nodes say that a block is theirs: nearly always one. */
  const claims = createSharedMap<string, string | readonly string[]>();
  const claimantsOf = (block: string): readonly string[] => {
    const claimants = claims.get(block) ?? [];
    return typeof claimants === "string" ? [claimants] : claimants;
  };
  const claim = (block: string, claimants: readonly string[]): void => {
    const [only] = claimants;
    if (only === undefined) claims.delete(block);
    else claims.set(block, claimants.length === 1 ? only : claimants);
  };
  const isAlone = (name: string, blocks: readonly string[]): boolean => blocks.every((block) => (claims.get(block) ?? name) === name);
  const without = (block: string, name: string): string[] => claimantsOf(block).filter((claimant) => claimant !== name);
  const holds = (name: string, block: Prefix): boolean => {
    const claimants = claimantsOf(String(block));
    return (claimants.length < 2 ? claimants[0] : newest(claimants.flatMap((claimant) => nodes.get(claimant) ?? []))) === name;
  };
  const update = (name: string, isWanted: (block: Prefix) => boolean): void => {
    const node = name === self ? undefined : nodes.get(name);
    const row = node === undefined ? undefined : remoteNodeOf(node, ways, isWanted);
    if (row === undefined) table.delete(name);
    else table.upsert(row);
  };
  nodes.subscribe(
    ({ key, before, after }) => {
      if (before !== undefined && after !== undefined && saysTheSame(before, after)) return;
      const old = before === undefined ? noBlocks : readNode(before).blocks;
      const now = after === undefined ? noBlocks : readNode(after).blocks;
      if (isAlone(key, old) && isAlone(key, now)) {
        // Nearly always: nobody else ever said that one of these is his.
        for (const block of old) if (!now.includes(block)) claims.delete(block);
        for (const block of now) claims.set(block, key);
        update(key, () => true);
        return;
      }
      for (const block of old) claim(block, without(block, key));
      for (const block of now) claim(block, [...without(block, key), key]);
      const concerned = new Set([key, ...[...old, ...now].flatMap(claimantsOf)]);
      // What goes from one node to another first leaves the one: at no time do two have it.
      if (concerned.size > 1)
        for (const name of concerned) {
          const had = table.get(name)?.podCIDRs ?? [];
          update(name, (block) => holds(name, block) && had.some((present) => present.equals(block)));
        }
      for (const name of concerned) update(name, (block) => holds(name, block));
    },
    { replay: true },
  );
  void nodes.whenSynced().then(filled);
  return table;
}

const noBlocks: readonly string[] = [];

/** Of nodes that claim one block, the youngest: the others have not been deleted yet. */
function newest(claimants: readonly Node[]): string | undefined {
  const age = ({ metadata }: Node): string => `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
  return claimants.reduce<Node | undefined>((one, other) => (one === undefined || age(other) > age(one) ? other : one), undefined)?.metadata
    .name;
}

function remoteNodeOf(node: Node, ways: Ways, isWanted: (block: Prefix) => boolean): RemoteNode | undefined {
  const { podCIDRs: all, endpoints, rows } = readNode(node);
  const podCIDRs = all.filter(isWanted);
  if (node.metadata.name === undefined || podCIDRs.length === 0 || endpoints.length === 0) return undefined;
  const routed = ways.routed(podCIDRs, endpoints);
  const transportAddresses = endpoints.filter(({ family }) => ways.tunnelFamilies.includes(family));
  const row = { name: node.metadata.name, podCIDRs, transportAddresses, ...(routed.length === 0 ? {} : { routed }) };
  if (routed.length > 0 || podCIDRs.length < all.length) return row;
  const families = ways.tunnelFamilies.join();
  const known = rows.get(families) ?? row;
  rows.set(families, known);
  return known;
}

/** What a Node says, read once: it never changes, another one takes its place. */
interface NodeReading {
  readonly podCIDRs: readonly Prefix[];
  /** The same as text. */
  readonly blocks: readonly string[];
  readonly endpoints: readonly IpAddress[];
  /** By the families of tunnels, while all blocks are its own and none is routed: agents of one process that were told the same Node have the same row. */
  readonly rows: Map<string, RemoteNode>;
}

const readings = new WeakMap<Node, NodeReading>();

function readNode(node: Node): NodeReading {
  const known = readings.get(node);
  if (known !== undefined) return known;
  const { spec, metadata } = node;
  const texts = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const announced = addressesOf(metadata.annotations?.[transportAddressesAnnotation]?.split(",") ?? []);
  const podCIDRs = texts.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
  const reading = {
    podCIDRs,
    blocks: podCIDRs.map(String),
    endpoints: announced.length > 0 ? announced : nodeAddressesOf(node),
    rows: new Map<string, RemoteNode>(),
  };
  readings.set(node, reading);
  return reading;
}

/** Whether nothing that is read of it is other than it was, as of nearly all changes. What was read stands for both from then on. */
function saysTheSame(before: Node, after: Node): boolean {
  const [old, now] = [readNode(before), readNode(after)];
  if (old === now) return true;
  const isSame =
    before.metadata.uid === after.metadata.uid &&
    String(old.blocks) === String(now.blocks) &&
    old.endpoints.length === now.endpoints.length &&
    old.endpoints.every((endpoint, index) => endpoint.equals(now.endpoints[index] as IpAddress));
  if (isSame) readings.set(after, old);
  return isSame;
}

const podCidrsOf = (node: Node): readonly Prefix[] => readNode(node).podCIDRs;

const rowTexts = new WeakMap<RemoteNode, string>();
function textOf(row: RemoteNode): string {
  const text = rowTexts.get(row) ?? JSON.stringify(row);
  rowTexts.set(row, text);
  return text;
}

/** InternalIP before ExternalIP, as Kubernetes components choose. */
function nodeAddressesOf({ status }: Node): IpAddress[] {
  const ofType = (type: string) => (status?.addresses ?? []).filter((entry) => entry.type === type).map(({ address }) => address);
  const internal = addressesOf(ofType("InternalIP"));
  return internal.length > 0 ? internal : addressesOf(ofType("ExternalIP"));
}

const addressesOf = (texts: readonly string[]): IpAddress[] =>
  texts.map((text) => tryParseAddress(text.trim())).filter((address) => address !== undefined);
