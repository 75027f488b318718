import { type AnswerRecord, classIn, labelsOf, recordType } from "#lib/dns/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";

/** Data of one record, without the name that it belongs to. Names are without their last dot. */
export type RecordData =
  | { readonly type: "address"; readonly address: IpAddress }
  | { readonly type: "alias"; readonly target: string }
  | { readonly type: "pointer"; readonly target: string }
  | { readonly type: "service"; readonly port: number; readonly weight: number; readonly target: string }
  | { readonly type: "text"; readonly text: string };

/** All records of one name. A name may be there without any: others hang below it. */
export type Records = readonly RecordData[];

/** What a source of records says of a name: undefined when there is no such name. */
export type Lookup = (name: string) => Records | undefined;

/** The number by which a question asks for the record. */
export function typeOf(data: RecordData): number {
  if (data.type === "address") return data.address.family === 4 ? recordType.a : recordType.aaaa;
  return { alias: recordType.cname, pointer: recordType.ptr, service: recordType.srv, text: recordType.txt }[data.type];
}

export function answerOf(name: string, data: RecordData, ttl: number): AnswerRecord {
  const common = { name, class: classIn, ttl };
  switch (data.type) {
    case "address":
      return { ...common, kind: "address", address: data.address };
    case "alias":
      return { ...common, kind: "alias", target: data.target };
    case "pointer":
      return { ...common, kind: "other", type: recordType.ptr, bytes: nameBytes(data.target) };
    case "service": {
      const numbers = Buffer.alloc(6);
      numbers.writeUInt16BE(data.weight, 2);
      numbers.writeUInt16BE(data.port, 4);
      return { ...common, kind: "other", type: recordType.srv, bytes: Buffer.concat([numbers, nameBytes(data.target)]) };
    }
    case "text":
      return { ...common, kind: "other", type: recordType.txt, bytes: textBytes(data.text) };
  }
}

/** A name inside of data that others read: never pointed at from there (RFC 3597 §4). */
const nameBytes = (name: string): Uint8Array =>
  Buffer.concat([...(labelsOf(name) ?? []).flatMap((label) => [Uint8Array.of(label.length), label]), Uint8Array.of(0)]);

/** Strings of at most 255 bytes each (RFC 1035 §3.3). */
function textBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += 255) {
    const part = bytes.subarray(at, at + 255);
    parts.push(Uint8Array.of(part.length), part);
  }
  return Buffer.concat(parts);
}
