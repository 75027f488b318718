import { Reader, type Writer } from "#lib/bytes/index.ts";
import { type Field, fieldList } from "./fields.ts";
import { areStored, type Match, type MatchTerm, matchOfTerms, matchTerms } from "./match.ts";

/** Writes the low `bytes` bytes of `value`. */
export function writeValue(writer: Writer, value: bigint, bytes: number): void {
  switch (bytes) {
    case 1:
      writer.uint8(Number(value));
      break;
    case 2:
      writer.uint16(Number(value));
      break;
    case 4:
      writer.uint32(Number(value));
      break;
    case 8:
      writer.uint64(value);
      break;
    case 16:
      writer.uint64(value >> 64n).uint64(value & 0xffff_ffff_ffff_ffffn);
      break;
    default:
      writer.uint(value, bytes);
  }
}

/** Reads an unsigned number of `bytes` bytes. */
export function readValue(reader: Reader, bytes: number): bigint {
  switch (bytes) {
    case 1:
      return BigInt(reader.uint8());
    case 2:
      return BigInt(reader.uint16());
    case 4:
      return BigInt(reader.uint32());
    case 8:
      return reader.uint64();
    case 16:
      return (reader.uint64() << 64n) | reader.uint64();
    default:
      return reader.uint(bytes);
  }
}

/** Writes the header of `field` alone, as actions name their source and destination. */
export function writeFieldHeader(writer: Writer, field: Field, options: { readonly code?: number } = {}): void {
  const code = field.codes[options.code ?? 0];
  if (code !== undefined) writer.uint32((((code.class << 16) | (code.number << 9)) >>> 0) + field.bytes);
}

/** The OXM of one condition: header, value, and mask where it is not exact. */
export function writeTerm(writer: Writer, { field, value, mask }: MatchTerm): void {
  const headers = wireHeaders[field.index];
  if (headers === undefined) return;
  const exact = mask === field.allOnes;
  writer.uint32(exact ? headers.exact : headers.masked);
  writeValue(writer, value, field.bytes);
  if (!exact) writeValue(writer, mask, field.bytes);
}

/** A field as it came. The header's class, number and mask bit are resolved; `field` is absent for one that is not known. */
export interface ReadField {
  readonly field?: Field;
  readonly masked: boolean;
  /** Bytes of value and mask together that follow; what the header says. */
  readonly length: number;
}

/** Reads an OXM/NXM header of 4 or 8 bytes. */
export function readFieldHeader(reader: Reader): ReadField {
  const header = reader.uint32();
  const masked = (header & 0x100) !== 0;
  const length = header & 0xff;
  if (header >>> 16 !== 0xffff) {
    const field = byCode.get(header >>> 9);
    return field === undefined ? { masked, length } : { field, masked, length };
  }
  const field = byExperimenter.get(experimenterKey(reader.uint32(), (header >>> 9) & 0x7f));
  return field === undefined ? { masked, length: length - 4 } : { field, masked, length: length - 4 };
}

/** Reads one condition with its value; bytes when the field or its length is not known. */
export function readTerm(reader: Reader, bytes: Uint8Array): MatchTerm | Uint8Array {
  const start = reader.offset;
  const { field, masked, length } = readFieldHeader(reader);
  if (field === undefined || length !== (masked ? 2 * field.bytes : field.bytes)) {
    reader.skip(length);
    return bytes.slice(start, reader.offset);
  }
  const value = readValue(reader, field.bytes) & field.allOnes;
  if (!masked) return { field, value, mask: field.allOnes };
  const mask = readValue(reader, field.bytes) & field.allOnes;
  return { field, value: value & mask, mask };
}

/** Writes the conditions one behind the other, without the framing of a match structure. */
export function writeFields(writer: Writer, match: Match): void {
  for (const term of matchTerms(match)) writeTerm(writer, term);
}

/** A decoded list of conditions. */
export interface ReadMatch {
  readonly match: Match;
  /** OXMs of fields not known here, whole. */
  readonly unknownFields?: readonly Uint8Array[];
}

/** Reads conditions up to the end of `bytes`. Throws OutOfBytes when they are cut short. */
export function readFields(bytes: Uint8Array): ReadMatch {
  const reader = new Reader(bytes);
  const terms: MatchTerm[] = [];
  const unknownFields: Uint8Array[] = [];
  while (reader.left > 0) {
    const term = readTerm(reader, bytes);
    if (term instanceof Uint8Array) unknownFields.push(term);
    // Not every sender masks its value; a mask of zero says nothing.
    else if (term.mask !== 0n) terms.push(term);
  }
  const match = matchOfTerms(areStored(terms) ? terms : matchTerms(matchOfTerms(terms)));
  return unknownFields.length === 0 ? { match } : { match, unknownFields };
}

const oxmMatchType = 1;

/** Writes a match structure: header, conditions, padding to 8 bytes (OpenFlow 1.5 §7.2.3). */
export function writeMatch(writer: Writer, match: Match, unknownFields: readonly Uint8Array[] = []): void {
  const start = writer.length;
  writer.uint16(oxmMatchType).uint16(0);
  writeFields(writer, match);
  for (const raw of unknownFields) writer.bytes(raw);
  writer.patchUint16(start + 2, writer.length - start).align(8, start);
}

/** Reads a match structure with its padding. Throws OutOfBytes when it is cut short; an older type of match is one unknown field. */
export function readMatch(reader: Reader): ReadMatch {
  const type = reader.uint16();
  const length = reader.uint16();
  const body = reader.bytes(length - 4);
  reader.skip(Math.min((8 - (length % 8)) % 8, reader.left));
  return type === oxmMatchType ? readFields(body) : { match: {}, unknownFields: [body] };
}

const wireHeaders = fieldList.map(({ codes, bytes }) => {
  const code = codes[0] ?? { class: 0, number: 0 };
  const start = ((code.class << 16) | (code.number << 9)) >>> 0;
  return { exact: start + bytes, masked: start + 0x100 + 2 * bytes };
});
const experimenterKey = (experimenter: number, number: number): number => experimenter * 128 + number;
const byCode = new Map<number, Field>();
const byExperimenter = new Map<number, Field>();
for (const field of fieldList)
  for (const code of field.codes) {
    if (code.experimenter === undefined) byCode.set(((code.class << 16) | (code.number << 9)) >>> 9, field);
    else byExperimenter.set(experimenterKey(code.experimenter, code.number), field);
  }
