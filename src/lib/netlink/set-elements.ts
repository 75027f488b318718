import { IpAddress, type Prefix } from "#lib/ip/index.ts";
import { type Decoded, decodeAttributes, flag, type Message, MessageWriter } from "./message.ts";

/** Elements of one set of nftables that come and go. */
export interface SetElementsChange {
  readonly family: keyof typeof tableFamily;
  readonly table: string;
  readonly set: string;
  /** Whether the set has the flag `interval`, and its elements a beginning and an end. */
  readonly interval: boolean;
  readonly added: readonly Prefix[];
  readonly removed: readonly Prefix[];
}

/** NFPROTO_* of linux/netfilter.h. */
const tableFamily = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;

/** linux/netfilter/nfnetlink.h: what opens and closes a transaction, and the generation that it is meant for. */
const batch = { begin: 0x10, end: 0x11, generation: 1 } as const;
const subsystem = 10;
/** NFT_MSG_* of linux/netfilter/nf_tables.h. */
const message = {
  newElement: (subsystem << 8) | 12,
  deleteElement: (subsystem << 8) | 14,
  newGeneration: (subsystem << 8) | 15,
  getGeneration: (subsystem << 8) | 16,
} as const;
const listAttribute = { table: 1, set: 2, elements: 3 } as const;
const listElement = 1;
const elementAttribute = { key: 1, flags: 3 } as const;
const dataValue = 1;
const intervalEnd = 1;
const generationId = 1;
const structBytes = 4;

/** Whether nftables writes the block as a beginning and an end: one that reaches the last address has none. */
export const hasEnd = (block: Prefix): boolean => endOf(block) !== undefined;

/**
 * One transaction, which the kernel carries out whole or not at all, and only while nothing of nftables has changed since `generation`: else it answers
 * `ERESTART`. Blocks of an interval set must have an end ({@link hasEnd}).
 */
export function encodeSetElements(changes: readonly SetElementsChange[], generation: number): Uint8Array {
  const requests = changes.flatMap((change) => [
    ...(change.removed.length === 0 ? [] : [{ type: message.deleteElement, flags: 0, change, blocks: change.removed }]),
    ...(change.added.length === 0 ? [] : [{ type: message.newElement, flags: flag.create, change, blocks: change.added }]),
  ]);
  return Buffer.concat([
    netfilterStruct(new MessageWriter(batch.begin, 0), 0, subsystem).attributeUint32(batch.generation, generation, "network").result(),
    // Asked for the last one alone, the acknowledgement comes after all; what is refused answers before it.
    ...requests.map(({ type, flags, change, blocks }, index) =>
      elements(new MessageWriter(type, index === requests.length - 1 ? flags | flag.ack : flags), change, blocks),
    ),
    netfilterStruct(new MessageWriter(batch.end, 0), 0, subsystem).result(),
  ]);
}

function elements(writer: MessageWriter, { family, table, set, interval }: SetElementsChange, blocks: readonly Prefix[]): Uint8Array {
  const element = (address: IpAddress, flags: number): void => {
    writer.nested(listElement, () => {
      writer.nested(elementAttribute.key, () => writer.attribute(dataValue, address.bytes()));
      if (flags !== 0) writer.attributeUint32(elementAttribute.flags, flags, "network");
    });
  };
  return netfilterStruct(writer, tableFamily[family], 0)
    .attributeText(listAttribute.table, table)
    .attributeText(listAttribute.set, set)
    .nested(listAttribute.elements, () => {
      for (const block of blocks) {
        element(block.address, 0);
        const end = interval ? endOf(block) : undefined;
        if (end !== undefined) element(end, intervalEnd);
      }
    })
    .result();
}

/** The first address behind the block. */
function endOf({ family, address, mask }: Prefix): IpAddress | undefined {
  const all = family === 4 ? 0xffff_ffffn : (1n << 128n) - 1n;
  const last = address.value | (all & ~mask);
  return last === all ? undefined : new IpAddress(family, last + 1n);
}

export function encodeGetGeneration(): Uint8Array {
  return netfilterStruct(new MessageWriter(message.getGeneration, flag.ack), 0, 0).result();
}

/** How often nftables of the namespace changed, whoever did it. */
export function decodeGeneration({ type, payload }: Message): Decoded<number> {
  const decoded = decodeAttributes(payload.subarray(Math.min(structBytes, payload.length)));
  if (!decoded.ok) return decoded;
  const generation = type === message.newGeneration ? decoded.value.uint32(generationId, "network") : undefined;
  return generation === undefined ? { ok: false, reason: "no generation of nftables" } : { ok: true, value: generation };
}

/** `struct nfgenmsg`: family, version, resource. */
function netfilterStruct(writer: MessageWriter, family: number, resource: number): MessageWriter {
  return writer.uint8(family).uint8(0).uint16(resource, "network");
}
