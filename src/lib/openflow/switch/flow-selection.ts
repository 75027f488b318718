import type { Flow, FlowMod } from "../flow.ts";
import { type MatchTerm, matchTerms } from "../match.ts";
import { portToWire } from "../port.ts";
import type { FlowTable } from "./flow-table.ts";
import type { WordValue } from "./layout.ts";
import { createEntry, type TableEntry, usesGroup } from "./table-entry.ts";

/** In deletions: every table. */
const allTables = 255;

/** The entries that a change is about (OpenFlow 1.5 §6.4): the one of a strict change, all that are covered by the match of another. */
export function chosenEntries(tables: readonly (FlowTable | undefined)[], mod: FlowMod): TableEntry[] {
  return selected(tables, mod).filter((entry) => isCovered(entry, mod));
}

function selected(tables: readonly (FlowTable | undefined)[], { flow, command }: FlowMod): TableEntry[] {
  const deletes = command === "delete" || command === "delete_strict";
  const searched = flow.table === allTables && deletes ? tables : [tables[flow.table]];
  if (command === "modify_strict" || command === "delete_strict") {
    const wanted = createEntry(flow, { now: 0 });
    return searched.flatMap((table) => table?.strict(wanted) ?? []);
  }
  const terms = matchTerms(flow.match);
  return searched.flatMap((table) => table?.selected((each) => terms.length === 0 || covers(terms, each)) ?? []);
}

function covers(terms: readonly MatchTerm[], { match }: Flow): boolean {
  const own = new Map(matchTerms(match).map((term) => [term.field.name, term]));
  return terms.every(({ field, value, mask }) => {
    const term = own.get(field.name);
    return term !== undefined && (term.mask & mask) === mask && (term.value & mask) === value;
  });
}

function isCovered({ flow }: TableEntry, mod: FlowMod): boolean {
  if (mod.cookieMask !== undefined && (flow.cookie & mod.cookieMask) !== (mod.flow.cookie & mod.cookieMask)) return false;
  if (mod.outPort !== undefined && !flow.actions.some((action) => action.type === "output" && portToWire(action.port) === mod.outPort))
    return false;
  return mod.outGroup === undefined || usesGroup(flow.actions, mod.outGroup);
}

/** Whether an entry of the same priority, and not the same, may match a packet that this one matches. */
export function overlaps(table: FlowTable, entry: TableEntry): boolean {
  for (const other of table.entries()) {
    if (other.priority !== entry.priority) continue;
    const masks = new Map(wordValuesOf(other).map((word) => [word.word, word]));
    const differ = wordValuesOf(entry).some(({ word, value, mask }) => {
      const theirs = masks.get(word);
      return theirs !== undefined && ((value ^ theirs.value) & mask & theirs.mask) !== 0;
    });
    if (!differ && table.strict(entry)?.compiled !== other.compiled) return true;
  }
  return false;
}

const wordValuesOf = ({ shape, values }: TableEntry): WordValue[] =>
  Array.from(values, (value, index) => ({ word: shape.words[index] as number, mask: shape.masks[index] as number, value }));
