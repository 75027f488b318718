import type { FieldName } from "./fields.ts";

/** `bits` bits of a field, starting `offset` bits above its least significant one: `reg0[4..7]` is offset 4, bits 4. */
export interface Subfield {
  readonly field: FieldName;
  readonly offset: number;
  readonly bits: number;
}
