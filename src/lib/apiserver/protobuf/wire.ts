/** One field of a protobuf message as it stands on the wire (protobuf encoding guide, "Message Structure"). */
export type WireField =
  | { readonly number: number; readonly type: "varint"; readonly value: bigint }
  | { readonly number: number; readonly type: "fixed64"; readonly value: bigint }
  | { readonly number: number; readonly type: "fixed32"; readonly value: number }
  | { readonly number: number; readonly type: "bytes"; readonly value: Uint8Array };

/** The fields of a message in their order, or undefined when the bytes are no message. Reads each byte once; slices share memory. */
export function decodeFields(bytes: Uint8Array): WireField[] | undefined {
  const fields: WireField[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const tag = decodeVarint(bytes, at);
    if (tag === undefined) return undefined;
    at = tag.end;
    const number = Number(tag.value >> 3n);
    if (number < 1 || number > 0x1fff_ffff) return undefined;
    switch (Number(tag.value & 7n)) {
      case 0: {
        const varint = decodeVarint(bytes, at);
        if (varint === undefined) return undefined;
        fields.push({ number, type: "varint", value: varint.value });
        at = varint.end;
        break;
      }
      case 1:
        if (at + 8 > bytes.length) return undefined;
        fields.push({ number, type: "fixed64", value: view.getBigUint64(at, true) });
        at += 8;
        break;
      case 2: {
        const length = decodeVarint(bytes, at);
        if (length === undefined || length.value > BigInt(bytes.length - length.end)) return undefined;
        const end = length.end + Number(length.value);
        fields.push({ number, type: "bytes", value: bytes.subarray(length.end, end) });
        at = end;
        break;
      }
      case 5:
        if (at + 4 > bytes.length) return undefined;
        fields.push({ number, type: "fixed32", value: view.getUint32(at, true) });
        at += 4;
        break;
      default:
        return undefined; // groups, which no Kubernetes message has
    }
  }
  return fields;
}

function decodeVarint(bytes: Uint8Array, start: number): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: start + index + 1 };
  }
  return undefined;
}
