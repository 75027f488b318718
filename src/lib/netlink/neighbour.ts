import { type Family, IpAddress } from "#lib/ip/address.ts";
import { MacAddress } from "#lib/ip/mac.ts";
import { familyOf, socketFamily } from "./address.ts";
import { type Decoded, decodeAttributes, flag, type Message, MessageWriter, viewOf } from "./message.ts";

/** An entry of the ARP or ND cache. */
export interface Neighbour {
  readonly linkIndex: number;
  readonly address: IpAddress;
  readonly mac?: MacAddress;
  /** Made by hand, never ages (NUD_PERMANENT). */
  readonly permanent: boolean;
}

export const neighbourMessage = { new: 28, delete: 29, get: 30 } as const;

const nda = { destination: 1, linkLayer: 2 } as const;
const permanentState = 0x80;
const structBytes = 12;

export function encodeGetNeighbours(filter: { readonly family?: Family }): Uint8Array {
  const family = filter.family === undefined ? 0 : socketFamily(filter.family);
  return neighbourStruct(new MessageWriter(neighbourMessage.get, flag.dump), { family, linkIndex: 0, state: 0 }).result();
}

/** Makes or replaces a permanent entry. */
export function encodeReplaceNeighbour(entry: {
  readonly linkIndex: number;
  readonly address: IpAddress;
  readonly mac: MacAddress;
}): Uint8Array {
  const writer = new MessageWriter(neighbourMessage.new, flag.ack | flag.create | flag.replace);
  neighbourStruct(writer, { family: socketFamily(entry.address.family), linkIndex: entry.linkIndex, state: permanentState });
  return writer.attribute(nda.destination, entry.address.bytes()).attribute(nda.linkLayer, entry.mac.bytes()).result();
}

export function encodeDeleteNeighbour(entry: { readonly linkIndex: number; readonly address: IpAddress }): Uint8Array {
  const writer = new MessageWriter(neighbourMessage.delete, flag.ack);
  neighbourStruct(writer, { family: socketFamily(entry.address.family), linkIndex: entry.linkIndex, state: 0 });
  return writer.attribute(nda.destination, entry.address.bytes()).result();
}

/** `struct ndmsg`: family, padding, index, state, flags, type. */
function neighbourStruct(
  writer: MessageWriter,
  entry: { readonly family: number; readonly linkIndex: number; readonly state: number },
): MessageWriter {
  return writer.uint8(entry.family).uint8(0).uint16(0).uint32(entry.linkIndex).uint16(entry.state).uint8(0).uint8(0);
}

export function decodeNeighbour({ payload }: Message): Decoded<Neighbour> {
  if (payload.length < structBytes) return { ok: false, reason: `neighbour message of ${payload.length} bytes` };
  const decoded = decodeAttributes(payload.subarray(structBytes));
  if (!decoded.ok) return decoded;
  const family = familyOf(payload[0] ?? 0);
  const address = decoded.value.bytes(nda.destination);
  const mac = decoded.value.bytes(nda.linkLayer);
  if (family === undefined || address?.length !== (family === 4 ? 4 : 16)) return { ok: false, reason: "no address of its family" };
  return {
    ok: true,
    value: {
      linkIndex: viewOf(payload).getUint32(4, true),
      address: IpAddress.fromBytes(address),
      permanent: (viewOf(payload).getUint16(8, true) & permanentState) !== 0,
      ...(mac?.length === 6 ? { mac: MacAddress.fromBytes(mac) } : {}),
    },
  };
}
