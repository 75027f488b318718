import type { Flow } from "../flow.ts";
import { matchTerms, normalMatch } from "../match.ts";
import type { Fault } from "./faults.ts";
import { type Key, newKey, termWords, type WordValue } from "./layout.ts";
import { compileActions, type Program } from "./program.ts";

export interface ConjunctionClause {
  readonly id: number;
  readonly clause: number;
  readonly clauses: number;
}

/** A flow in its table: what it matches by words, what it does, what it counted. */
export class TableEntry {
  flow: Flow;
  program: Program;
  readonly priority: number;
  readonly match: readonly WordValue[];
  readonly maskText: string;
  /** A key that holds the values of the match. */
  readonly keyOfValues: Key;
  clauses: readonly ConjunctionClause[];
  packets = 0;
  bytes = 0;
  readonly created: number;
  /** When its actions were written last: hard timeouts count from here. */
  modified: number;
  used: number;
  /** Timeouts that a connection's end brought, in seconds (`fin_timeout`). */
  finTimeouts: { readonly idle: number; readonly hard: number } | undefined;
  removed = false;
  readonly #words: Int32Array;
  readonly #masks: Int32Array;
  readonly #values: Int32Array;

  /** Throws UnencodableFlow for a value that does not fit its field. */
  constructor(flow: Flow, now: number, fault?: Fault) {
    this.flow = { ...flow, match: normalMatch(flow.match) };
    this.priority = flow.priority;
    const whole = fault === "masks match whole words";
    this.match = matchTerms(flow.match)
      .flatMap(termWords)
      .map((word) => (whole && word.mask !== -1 ? { ...word, mask: word.mask | 1 } : word));
    this.maskText = this.match.map(({ word, mask }) => `${word}/${mask}`).join();
    this.keyOfValues = newKey();
    for (const { word, value } of this.match) this.keyOfValues[word] = (this.keyOfValues[word] ?? 0) | value;
    this.#words = Int32Array.from(this.match, ({ word }) => word);
    this.#masks = Int32Array.from(this.match, ({ mask }) => mask);
    this.#values = Int32Array.from(this.match, ({ value }) => value);
    this.program = compileActions(flow.actions, fault);
    this.clauses = flow.actions.flatMap((action) => (action.type === "conjunction" ? [action] : []));
    this.created = now;
    this.modified = now;
    this.used = now;
  }

  matches(key: Key): boolean {
    const words = this.#words;
    for (let index = 0; index < words.length; index++)
      if (((key[words[index] as number] as number) & (this.#masks[index] as number)) !== this.#values[index]) return false;
    return true;
  }

  setFlow(flow: Flow, fault?: Fault): void {
    this.flow = flow;
    this.program = compileActions(flow.actions, fault);
    this.clauses = flow.actions.flatMap((action) => (action.type === "conjunction" ? [action] : []));
  }
}
