import { InvalidFlowText } from "./errors.ts";
import { type FieldName, fields, findField } from "./fields.ts";

/** `bits` bits of a field, starting `offset` bits above its least significant one: `reg0[4..7]` is offset 4, bits 4. */
export interface Subfield {
  readonly field: FieldName;
  readonly offset: number;
  readonly bits: number;
}

/** All bits of `field`. */
export function wholeField(field: FieldName): Subfield {
  return { field, offset: 0, bits: fields[field].bits };
}

/** The mask of the subfield within its field. */
export function subfieldMask({ offset, bits }: Subfield): bigint {
  return ((1n << BigInt(bits)) - 1n) << BigInt(offset);
}

/** `NXM_NX_REG0[]`, `NXM_NX_REG0[3]`, `NXM_NX_REG0[4..7]`. */
export function formatSubfield({ field, offset, bits }: Subfield): string {
  const { nxmName, bits: whole } = fields[field];
  if (offset === 0 && bits === whole) return `${nxmName}[]`;
  return bits === 1 ? `${nxmName}[${offset}]` : `${nxmName}[${offset}..${offset + bits - 1}]`;
}

/** Reads `NAME`, `NAME[]`, `NAME[3]` or `NAME[4..7]`, the name in any of its spellings; undefined when it is none. */
export function tryParseSubfield(text: string): Subfield | undefined {
  const parsed = /^([a-z]\w*)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?$/i.exec(text.trim());
  const field = parsed === null ? undefined : findField(parsed[1] ?? "");
  if (parsed === null || field === undefined) return undefined;
  if (parsed[2] === undefined) return wholeField(field.name);
  const first = Number(parsed[2]);
  const last = parsed[3] === undefined ? first : Number(parsed[3]);
  return last < first || last >= field.bits ? undefined : { field: field.name, offset: first, bits: last - first + 1 };
}

/** Reads a subfield; throws {@link InvalidFlowText}. */
export function parseSubfield(text: string): Subfield {
  const subfield = tryParseSubfield(text);
  if (subfield === undefined) throw new InvalidFlowText(text, "is no field or part of one, such as NXM_NX_REG0[4..7] or eth_src[]");
  return subfield;
}
