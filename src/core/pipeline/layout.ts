import type { Flow } from "#lib/openflow/flow.ts";
import { readCookie } from "./cookie.ts";

/**
 * What registers and tables mean. Whoever gives a register field that is in use another place, or a table another number or meaning, counts this up: then flows of before and
 * new ones never meet in one packet. What only comes beside it, as a field in free bits or a table between others, needs no new layout, and so changes no flow that is right.
 *
 * So does whoever writes a snapshot of policies that builds of before cannot read: after a downgrade these would give numbers anew, over flows that have them. 1: `antrea-policy-snapshot/4`.
 */
export const presentLayout = 1;

/**
 * Tables have sets of numbers, so that a pipeline can be made whole beside the one that packets go through: two for our own layouts in turn, and one behind all tables of a
 * pipeline that is not ours.
 */
export type Bank = 0 | 1 | 2;
export const banks: readonly Bank[] = [0, 1, 2];
/** The bank for flows that are made beside a stranger's. */
export const besideStrangers: Bank = 2;

export interface Layout {
  /** {@link presentLayout} of whoever made the flows. */
  readonly number: number;
  readonly bank: Bank;
}

/** By this table packets enter, whatever bank the others are of. */
export const entryTable = 0;

const step = 5;
/**
 * How far each bank is behind the declared numbers. Antrea (Go) numbers its tables one by one from 0 and declares 56, so the third bank begins at 59; 254 is Open vSwitch's own. What is
 * left of five by five is one number, so a table whose number is one more than a multiple has no place there, but where the other banks have ended.
 */
const behind: Readonly<Record<Bank, number>> = { 0: 0, 1: 2, 2: 54 };
const roomIn: Readonly<Record<Bank, number>> = { 0: 2, 1: 2, 2: 1 };
/** The last number that is declared. */
const lastTable = 196;

/** The number of a table in a bank. Declared numbers are multiples of five or one more. */
export function placeIn(bank: Bank, number: number): number {
  const isBehindOthers = bank === besideStrangers && number + behind[bank] > lastTable + behind[1];
  const isFree = number <= lastTable && (number % step < roomIn[bank] || (number % step < roomIn[0] && isBehindOthers));
  if (!isFree) throw new RangeError(`table ${number} would be in another bank, too`);
  return number === entryTable ? entryTable : number + behind[bank];
}

/** The bank to which flows of another layout go. */
export const otherBank = (bank: Bank): Bank => (bank === 1 ? 0 : 1);

/** Tells our entry table from that of antrea (Go), whose cookies have the same form, with 0 or small numbers in this place. */
const ours = 0x5453;

/** What cookies of the entry table's flows say of where they lead (32 bits). */
export const layoutMark = ({ number, bank }: Layout): number => ours * 0x1_0000 + number * 4 + bank;

/** Where the flows of an entry table lead; undefined when there are none of ours. */
export function readLayout(entry: Iterable<Pick<Flow, "table" | "cookie">>): Layout | undefined {
  for (const { table, cookie } of entry) {
    const meaning = table === entryTable ? readCookie(cookie) : undefined;
    if (meaning?.category !== "default" || meaning.object >>> 16 !== ours) continue;
    const bank = banks.find((each) => each === (meaning.object & 3));
    if (bank !== undefined) return { number: (meaning.object & 0xffff) >>> 2, bank };
  }
  return undefined;
}
