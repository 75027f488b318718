import { OutOfBytes, Reader, Writer } from "#lib/bytes/index.ts";
import { IpAddress, MacAddress } from "#lib/ip/index.ts";
import { encodeIpv4, encodeIpv6, readIpv4, readIpv6 } from "./ip.ts";
import type { ArpPacket, EthernetFrame, NetworkPacket, VlanTag } from "./types.ts";

/** EtherTypes of what is decoded here (IEEE, IANA). */
export const etherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, serviceVlan: 0x88a8 } as const;

/** The bytes of a frame, with every length and checksum, without padding. Throws {@link UnencodablePacket}. */
export function encodeFrame({ destination, source, vlans = [], payload }: EthernetFrame): Uint8Array {
  const network = encodeNetwork(payload);
  const writer = new Writer(14 + 4 * vlans.length + network.length).bytes(destination.bytes()).bytes(source.bytes());
  for (const { tagType, id, priority, dropEligible } of vlans)
    writer.uint16(tagType ?? etherType.vlan).uint16(((priority ?? 0) << 13) | (dropEligible ? 0x1000 : 0) | id);
  writer.uint16(payload.kind === "other" ? payload.etherType : etherType[payload.kind]);
  return writer.bytes(network).result();
}

/**
 * What `bytes` are. Undefined when they are too short for an Ethernet header; whatever is wrong further inside is kept as bytes at its layer.
 * Padding behind ARP and IP is dropped. Shares no memory with `bytes`.
 */
export function decodeFrame(bytes: Uint8Array): EthernetFrame | undefined {
  // A plain array, as slices of a Buffer would share its memory.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = new Reader(plain);
  try {
    const destination = MacAddress.fromBytes(reader.bytes(6));
    const source = MacAddress.fromBytes(reader.bytes(6));
    const vlans: VlanTag[] = [];
    let type = reader.uint16();
    while (type === etherType.vlan || type === etherType.serviceVlan) {
      vlans.push(readTag(type, reader.uint16()));
      type = reader.uint16();
    }
    const payload = decodeNetwork(type, reader.rest());
    return vlans.length === 0 ? { destination, source, payload } : { destination, source, vlans, payload };
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}

function readTag(tagType: number, control: number): VlanTag {
  return {
    ...(tagType === etherType.vlan ? {} : { tagType }),
    id: control & 0xfff,
    ...(control >>> 13 === 0 ? {} : { priority: control >>> 13 }),
    ...(control & 0x1000 ? { dropEligible: true } : {}),
  };
}

function encodeNetwork(packet: NetworkPacket): Uint8Array {
  if (packet.kind === "ipv4") return encodeIpv4(packet);
  if (packet.kind === "ipv6") return encodeIpv6(packet);
  return packet.kind === "arp" ? encodeArp(packet) : packet.bytes;
}

function decodeNetwork(type: number, bytes: Uint8Array): NetworkPacket {
  const reader = new Reader(bytes);
  try {
    const packet =
      type === etherType.ipv4
        ? readIpv4(reader, bytes)
        : type === etherType.ipv6
          ? readIpv6(reader)
          : type === etherType.arp
            ? readArp(reader)
            : ({ kind: "other", etherType: type, bytes: bytes.slice() } as const);
    if (packet !== undefined) return packet;
  } catch (error) {
    if (!(error instanceof OutOfBytes)) throw error;
  }
  return { kind: "other", etherType: type, bytes: bytes.slice(), malformed: true };
}

const arpHead = { hardware: 1, protocol: etherType.ipv4, hardwareBytes: 6, protocolBytes: 4 } as const;

function encodeArp({ operation, senderMac, senderAddress, targetMac, targetAddress }: ArpPacket): Uint8Array {
  return new Writer(28)
    .uint16(arpHead.hardware)
    .uint16(arpHead.protocol)
    .uint8(arpHead.hardwareBytes)
    .uint8(arpHead.protocolBytes)
    .uint16(operation)
    .bytes(senderMac.bytes())
    .bytes(senderAddress.bytes())
    .bytes(targetMac.bytes())
    .bytes(targetAddress.bytes())
    .result();
}

/** Undefined for ARP of something other than IPv4 over Ethernet. */
function readArp(reader: Reader): ArpPacket | undefined {
  const head = [reader.uint16(), reader.uint16(), reader.uint8(), reader.uint8()];
  if (head.join() !== Object.values(arpHead).join()) return undefined;
  return {
    kind: "arp",
    operation: reader.uint16(),
    senderMac: MacAddress.fromBytes(reader.bytes(6)),
    senderAddress: IpAddress.fromBytes(reader.bytes(4)),
    targetMac: MacAddress.fromBytes(reader.bytes(6)),
    targetAddress: IpAddress.fromBytes(reader.bytes(4)),
  };
}
