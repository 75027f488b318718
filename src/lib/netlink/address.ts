import { type Family, IpAddress } from "#lib/ip/address.ts";
import { type Decoded, decodeAttributes, flag, type Message, MessageWriter, viewOf } from "./message.ts";

/** An address on an interface. */
export interface InterfaceAddress {
  readonly linkIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: "universe" | "link" | "host" | "other";
  /** Duplicate address detection is still running (IFA_F_TENTATIVE): the kernel does not use it yet. */
  readonly tentative: boolean;
}

export interface AddressRequest {
  readonly linkIndex: number;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Usable at once: no duplicate address detection (IFA_F_NODAD; IPv6 only). */
  readonly noDuplicateDetection?: boolean;
  /** No route to the prefix is made along with it (IFA_F_NOPREFIXROUTE). */
  readonly noPrefixRoute?: boolean;
}

export const addressMessage = { new: 20, delete: 21, get: 22 } as const;

const ifa = { address: 1, local: 2, flags: 8 } as const;
const ifaFlag = { noDuplicateDetection: 0x02, tentative: 0x40, permanent: 0x80, noPrefixRoute: 0x200 } as const;
const scopes: Readonly<Record<number, InterfaceAddress["scope"]>> = { 0: "universe", 253: "link", 254: "host" };
const structBytes = 8;

export const socketFamily = (family: Family): number => (family === 4 ? 2 : 10);
export const familyOf = (number: number): Family | undefined => (number === 2 ? 4 : number === 10 ? 6 : undefined);

export function encodeGetAddresses(filter: { readonly linkIndex?: number; readonly family?: Family }): Uint8Array {
  const writer = new MessageWriter(addressMessage.get, flag.dump);
  return writer
    .uint8(filter.family === undefined ? 0 : socketFamily(filter.family))
    .uint8(0)
    .uint16(0)
    .uint32(filter.linkIndex ?? 0)
    .result();
}

/** Adding an address that is there already is no error: its flags are replaced. */
export function encodeAddAddress(request: AddressRequest): Uint8Array {
  const flags =
    ifaFlag.permanent |
    (request.noDuplicateDetection && request.address.family === 6 ? ifaFlag.noDuplicateDetection : 0) |
    (request.noPrefixRoute ? ifaFlag.noPrefixRoute : 0);
  return addressRequest(addressMessage.new, flag.ack | flag.create | flag.replace, request)
    .attributeUint32(ifa.flags, flags)
    .result();
}

export function encodeDeleteAddress(request: AddressRequest): Uint8Array {
  return addressRequest(addressMessage.delete, flag.ack, request).result();
}

function addressRequest(type: number, flags: number, { address, prefixLength, linkIndex }: AddressRequest): MessageWriter {
  const writer = new MessageWriter(type, flags);
  writer.uint8(socketFamily(address.family)).uint8(prefixLength).uint8(0).uint8(0).uint32(linkIndex);
  return writer.attribute(ifa.local, address.bytes()).attribute(ifa.address, address.bytes());
}

export function decodeAddress({ payload }: Message): Decoded<InterfaceAddress> {
  if (payload.length < structBytes) return { ok: false, reason: `address message of ${payload.length} bytes` };
  const decoded = decodeAttributes(payload.subarray(structBytes));
  if (!decoded.ok) return decoded;
  const family = familyOf(payload[0] ?? 0);
  const bytes = decoded.value.bytes(ifa.local) ?? decoded.value.bytes(ifa.address);
  if (family === undefined || bytes?.length !== (family === 4 ? 4 : 16)) return { ok: false, reason: "no address of its family" };
  const flags = decoded.value.uint32(ifa.flags) ?? payload[2] ?? 0;
  return {
    ok: true,
    value: {
      linkIndex: viewOf(payload).getUint32(4, true),
      address: IpAddress.fromBytes(bytes),
      prefixLength: payload[1] ?? 0,
      scope: scopes[payload[3] ?? 0] ?? "other",
      tentative: (flags & ifaFlag.tentative) !== 0,
    },
  };
}
