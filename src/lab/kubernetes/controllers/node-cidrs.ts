import { addressBits, IpAddress } from "#lib/ip/address.ts";
import { Prefix, tryParsePrefix } from "#lib/ip/prefix.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { type FullNode, fullNodes } from "../kinds/node.ts";
import type { ControllerContext } from "./cluster.ts";
import { PodCidrsExhausted } from "./errors.ts";

/** Length of a node's block: 254 pods, and the 64 bits that IPv6 hosts expect. */
const nodeLength = { 4: 24, 6: 64 } as const;

/** Gives every node a block of pod addresses per family. Assigned blocks never change. */
export function runNodeCidrs({ runtime, client, signal, cluster }: ControllerContext, podCidrs: readonly Prefix[]): void {
  const given = new Map<string, readonly string[]>();
  const work = async (name: string): Promise<void> => {
    const node = cluster.nodes.get(name);
    if (node === undefined) {
      given.delete(name);
      return;
    }
    if (blocksOf(node).length > 0) return;
    const used = new Set(
      [...given].flatMap(([other, blocks]) => (other === name ? [] : blocks)).concat([...cluster.nodes.rows()].flatMap(blocksOf)),
    );
    const blocks = podCidrs.map((cidr) => freeBlock(cidr, used).toString());
    await client.patch(fullNodes, { name }, { spec: { podCIDR: blocks[0], podCIDRs: blocks } });
    given.set(name, blocks);
  };
  // One at a time: two nodes must not be given the same block.
  const queue = createWorkqueue({ runtime, name: "node-cidrs", work, signal, concurrency: 1 });
  cluster.nodes.subscribe(({ key }) => queue.add(key), { replay: true });
}

const blocksOf = ({ spec }: FullNode): readonly string[] => spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);

/** The first block of a node's size within `cidr` that is not in `used`. Throws {@link PodCidrsExhausted}. */
export function freeBlock(cidr: Prefix, used: ReadonlySet<string>): Prefix {
  const length = Math.max(nodeLength[cidr.family], cidr.length);
  const size = 1n << BigInt(addressBits(cidr.family) - length);
  const blocks = 1n << BigInt(length - cidr.length);
  const taken = new Set([...used].flatMap((text) => tryParsePrefix(text)?.toString() ?? []));
  for (let index = 0n; index < blocks && index <= BigInt(taken.size); index++) {
    const block = new Prefix(new IpAddress(cidr.family, cidr.address.value + index * size), length);
    if (!taken.has(block.toString())) return block;
  }
  throw new PodCidrsExhausted(cidr.toString(), Number(blocks));
}
