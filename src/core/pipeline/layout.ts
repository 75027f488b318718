import type { Flow } from "#lib/openflow/flow.ts";
import { readCookie } from "./cookie.ts";

/**
 * What registers and tables mean. Whoever gives a register field that is in use another place, or a table another number or meaning, counts this up: then flows of before and
 * new ones never meet in one packet. What only comes beside it, as a field in free bits or a table between others, needs no new layout, and so changes no flow that is right.
 */
export const presentLayout = 0;

/** Tables have two sets of numbers, so that a pipeline of another layout can be made whole beside the one that packets go through. */
export type Bank = 0 | 1;
export const banks: readonly Bank[] = [0, 1];

export interface Layout {
  /** {@link presentLayout} of whoever made the flows. */
  readonly number: number;
  readonly bank: Bank;
}

/** By this table packets enter, whatever bank the others are of. */
export const entryTable = 0;

const step = 5;
const bankDistance = 2;

/** The number of a table in a bank. Declared numbers are multiples of five or one more; the other bank has the two after those. */
export function placeIn(bank: Bank, number: number): number {
  if (number % step >= bankDistance) throw new RangeError(`table ${number} would be in both banks`);
  return number === entryTable ? entryTable : number + bank * bankDistance;
}

/** What cookies of the entry table's flows say of where they lead (32 bits). */
export const layoutMark = ({ number, bank }: Layout): number => number * 2 + bank;

/** Where the flows of an entry table lead; undefined when there are none of ours. */
export function readLayout(entry: Iterable<Pick<Flow, "table" | "cookie">>): Layout | undefined {
  for (const { table, cookie } of entry) {
    const meaning = table === entryTable ? readCookie(cookie) : undefined;
    if (meaning?.category === "default") return { number: meaning.object >>> 1, bank: meaning.object & 1 ? 1 : 0 };
  }
  return undefined;
}
