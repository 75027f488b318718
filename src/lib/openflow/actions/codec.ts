import type { Reader, Writer } from "#lib/bytes/index.ts";
import type { Action, ActionType } from "../action.ts";
import { experimenters } from "../fields.ts";

/** How tables are written: a name where one is known, else the number. */
export interface TableNames {
  readonly tableName?: (table: number) => string | undefined;
}

/** How a table's name is read; numbers are always understood. */
export interface TableNumbers {
  readonly tableNumber?: (name: string) => number | undefined;
}

/** The codecs of lists of actions, for actions that contain some. `depth` counts the nesting. */
export interface NestedActions {
  readonly depth: number;
  write(writer: Writer, actions: readonly Action[]): void;
  read(reader: Reader): Action[];
}

export interface NestedText {
  readonly names: TableNames;
  format(actions: readonly Action[]): string;
}

export interface NestedParse {
  readonly numbers: TableNumbers;
  parse(text: string): Action[];
}

/** One action in text: `keyword:argument`, `keyword(argument)rest` or `keyword` alone. */
export interface ActionWords {
  readonly keyword: string;
  readonly argument: string;
  readonly rest: string;
}

/** Everything about one type of action: its body on the wire and its text. Padding and lengths are the list codec's. */
export interface ActionCodec<A extends Action> {
  /** Writes the header by {@link standardHeader} or {@link niciraHeader} and the body. */
  write(writer: Writer, action: A, nested: NestedActions): void;
  /** By type of standard actions: reads what follows type and length. Undefined when the body makes no sense. */
  readonly standard?: { readonly [type: number]: (body: Reader, nested: NestedActions) => Action | undefined };
  /** By subtype of Nicira's actions: reads what follows the subtype. */
  readonly nicira?: { readonly [subtype: number]: (body: Reader, nested: NestedActions) => Action | undefined };
  format(action: A, text: NestedText): string;
  /** By keyword in text. Undefined when the words make no sense. */
  readonly parse: { readonly [keyword: string]: (words: ActionWords, nested: NestedParse) => Action | undefined };
}

export type ActionCodecs = { readonly [Type in ActionType]: ActionCodec<Extract<Action, { readonly type: Type }>> };

const experimenterAction = 0xffff;

/** Type and an empty length. */
export function standardHeader(writer: Writer, type: number): Writer {
  return writer.uint16(type).uint16(0);
}

/** The header of a Nicira action up to its subtype: 10 bytes. */
export function niciraHeader(writer: Writer, subtype: number): Writer {
  return writer.uint16(experimenterAction).uint16(0).uint32(experimenters.nicira).uint16(subtype);
}

/** Nicira's packing of a range of up to 64 bits in 16. */
export const packRange = ({ offset, bits }: { readonly offset: number; readonly bits: number }): number => (offset << 6) | (bits - 1);
export const unpackRange = (packed: number): { readonly offset: number; readonly bits: number } => ({
  offset: packed >> 6,
  bits: (packed & 0x3f) + 1,
});

/** The options of `word(key=value,flag,…)` in order, split at commas outside parentheses and brackets. */
export function parseOptions(text: string): (readonly [key: string, value: string])[] {
  return splitList(text).map((part) => {
    const end = part.search(/[=(]/);
    if (end < 0) return [part, ""];
    return part[end] === "=" ? [part.slice(0, end), part.slice(end + 1)] : [part.slice(0, end), part.slice(end + 1, part.lastIndexOf(")"))];
  });
}

/** Splits at commas and spaces that stand outside parentheses. */
export function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= text.length; index++) {
    const character = text[index];
    if (character === "(" || character === "[") depth++;
    else if (character === ")" || character === "]") depth--;
    else if (
      character === undefined ||
      (depth === 0 && (character === "," || character === " " || character === "\t" || character === "\n"))
    ) {
      if (index > start) parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return parts;
}

/** A whole number up to `limit`; undefined for anything else. */
export function parseNumber(text: string, limit: number): number | undefined {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) return undefined;
  const number = Number(text);
  return number <= limit ? number : undefined;
}

export function parseTable(text: string, { tableNumber }: TableNumbers): number | undefined {
  return parseNumber(text, 254) ?? tableNumber?.(text);
}

export function formatTable(table: number, { tableName }: TableNames): string {
  return tableName?.(table) ?? String(table);
}

/** Makes an object without the keys whose value is undefined, as exact optional properties want it. */
export function compact<T extends object>(value: { readonly [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}
