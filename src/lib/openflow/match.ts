import type { FieldName } from "./fields.ts";

/** What a field must hold: a plain value is matched exactly; with a mask only the bits set in it count. */
export type FieldMatch = bigint | { readonly value: bigint; readonly mask: bigint };

/** Conditions on fields; all must hold. Fields not named match anything. */
export type Match = { readonly [Name in FieldName]?: FieldMatch };
