import { type Family, IpAddress } from "#lib/ip/address.ts";
import { familyOf, socketFamily } from "./address.ts";
import { type Attributes, type Decoded, decodeAttributes, flag, type Message, MessageWriter } from "./message.ts";

/** One direction of a tracked connection. Ports are absent for protocols without. */
export interface ConntrackTuple {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** IP protocol number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

/** A connection the kernel tracks (nf_conntrack). */
export interface ConntrackEntry {
  readonly family: Family;
  readonly zone: number;
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  readonly mark: number;
  /** Seconds until it is forgotten; absent while the dump's kernel does not say. */
  readonly timeoutSeconds?: number;
  /** The original tuple as the kernel wrote it, which names the entry in a delete request. */
  readonly key: Uint8Array;
}

const subsystem = 1 << 8;
export const conntrackMessage = { new: subsystem, get: subsystem | 1, delete: subsystem | 2 } as const;

const cta = { original: 1, reply: 2, timeout: 7, mark: 8, zone: 18, filter: 25 } as const;
const tupleAttribute = { ip: 1, protocol: 2 } as const;
const ipAttribute = { v4Source: 1, v4Destination: 2, v6Source: 3, v6Destination: 4 } as const;
const protocolAttribute = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const filterAttribute = { original: 1, reply: 2 } as const;
/** CTA_FILTER_FLAG(CTA_IP_SRC) and, as the kernel wants it set when the source stands alone, nothing else. */
const filterBySource = 1;
const structBytes = 4;

/**
 * Every entry of the family; with `source`, only those whose original (`initiator`) or reply (`responder`) direction comes from that
 * address. Kernels before 5.8 ignore the filter: look at what comes back.
 */
export function encodeGetConntrack(
  filter: { readonly family: Family } | { readonly source: IpAddress; readonly role: "initiator" | "responder" },
): Uint8Array {
  const writer = new MessageWriter(conntrackMessage.get, flag.dump);
  if ("family" in filter) return netfilterStruct(writer, filter.family).result();
  const { source, role } = filter;
  netfilterStruct(writer, source.family);
  writer.nested(role === "initiator" ? cta.original : cta.reply, () =>
    writer.nested(tupleAttribute.ip, () =>
      writer.attribute(source.family === 4 ? ipAttribute.v4Source : ipAttribute.v6Source, source.bytes()),
    ),
  );
  writer.nested(cta.filter, () => {
    writer.attributeUint32(filterAttribute.original, role === "initiator" ? filterBySource : 0);
    writer.attributeUint32(filterAttribute.reply, role === "responder" ? filterBySource : 0);
  });
  return writer.result();
}

export function encodeDeleteConntrack(entry: Pick<ConntrackEntry, "family" | "zone" | "key">): Uint8Array {
  const writer = netfilterStruct(new MessageWriter(conntrackMessage.delete, flag.ack), entry.family);
  return writer
    .nested(cta.original, () => writer.bytes(entry.key))
    .attributeUint16(cta.zone, entry.zone, "network")
    .result();
}

/** `struct nfgenmsg`: family, version, resource. */
function netfilterStruct(writer: MessageWriter, family: Family): MessageWriter {
  return writer.uint8(socketFamily(family)).uint8(0).uint16(0);
}

export function decodeConntrack({ payload }: Message): Decoded<ConntrackEntry> {
  const family = familyOf(payload[0] ?? 0);
  if (payload.length < structBytes || family === undefined) return { ok: false, reason: `conntrack message of ${payload.length} bytes` };
  const decoded = decodeAttributes(payload.subarray(structBytes));
  if (!decoded.ok) return decoded;
  const attributes = decoded.value;
  const original = tuple(attributes.nested(cta.original), family);
  const reply = tuple(attributes.nested(cta.reply), family);
  const key = attributes.bytes(cta.original);
  if (original === undefined || reply === undefined || key === undefined) return { ok: false, reason: "conntrack message without tuples" };
  const timeoutSeconds = attributes.uint32(cta.timeout, "network");
  return {
    ok: true,
    value: {
      family,
      zone: attributes.uint16(cta.zone, "network") ?? 0,
      original,
      reply,
      mark: attributes.uint32(cta.mark, "network") ?? 0,
      key,
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    },
  };
}

function tuple(attributes: Attributes, family: Family): ConntrackTuple | undefined {
  const ip = attributes.nested(tupleAttribute.ip);
  const protocol = attributes.nested(tupleAttribute.protocol);
  const source = ip.bytes(family === 4 ? ipAttribute.v4Source : ipAttribute.v6Source);
  const destination = ip.bytes(family === 4 ? ipAttribute.v4Destination : ipAttribute.v6Destination);
  const width = family === 4 ? 4 : 16;
  if (source?.length !== width || destination?.length !== width) return undefined;
  const sourcePort = protocol.uint16(protocolAttribute.sourcePort, "network");
  const destinationPort = protocol.uint16(protocolAttribute.destinationPort, "network");
  return {
    source: IpAddress.fromBytes(source),
    destination: IpAddress.fromBytes(destination),
    protocol: protocol.uint8(protocolAttribute.number) ?? 0,
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
  };
}
