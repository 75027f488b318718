import type { Action } from "../action.ts";
import type { Flow } from "../flow.ts";
import { type MatchTerm, matchTerms, normalMatch } from "../match.ts";
import type { Fault } from "./faults.ts";
import { type Key, termValues, termWords, type WordValue } from "./layout.ts";
import { compileActions, type Program } from "./program.ts";

export interface ConjunctionClause {
  readonly id: number;
  readonly clause: number;
  readonly clauses: number;
}

/** Which bits of a packet's words a match looks at. There are few, and many entries of each, of all switches. */
export interface MatchShape {
  /** Equal for equal shapes. */
  readonly text: string;
  /** Ascending indexes into a {@link Key}. */
  readonly words: Int32Array;
  readonly masks: Int32Array;
}

/** What happened to an entry since it came. */
interface Use {
  packets: number;
  bytes: number;
  modified: number;
  used: number;
  finTimeouts: { readonly idle: number; readonly hard: number } | undefined;
}

/** Where entries are that say more than their flow and since when they are there. */
export interface EntryHome {
  keep(entry: TableEntry): void;
}

/**
 * A flow in its table: what it matches by words, what it does, what it counted. Most of the many millions of a simulation never meet a packet: their table has no object for them, but
 * makes one whenever somebody asks. One that counts or is changed is kept from then on.
 */
export class TableEntry {
  readonly created: number;
  /** Set while it is in a table. */
  home: EntryHome | undefined;
  #compiled: CompiledFlow;
  #use: Use | undefined;

  constructor(compiled: CompiledFlow, { created, home }: { readonly created: number; readonly home?: EntryHome }) {
    this.#compiled = compiled;
    this.created = created;
    this.home = home;
  }

  get compiled(): CompiledFlow {
    return this.#compiled;
  }
  /** Whether there is no more to it than what its table knows without it. */
  get rests(): boolean {
    const { flow } = this.#compiled;
    return this.#use === undefined && !flow.idleTimeout && !flow.hardTimeout;
  }
  get flow(): Flow {
    return this.#compiled.flow;
  }
  get priority(): number {
    return this.#compiled.flow.priority;
  }
  get shape(): MatchShape {
    return this.#compiled.shape;
  }
  /** What the words of {@link shape} must hold under its masks. */
  get values(): readonly number[] {
    return this.#compiled.values;
  }
  get clauses(): readonly ConjunctionClause[] {
    return this.#compiled.clauses;
  }
  /** What it does, worked out for the first packet: most of many flows never meet one. */
  get program(): Program {
    const compiled = this.#compiled;
    compiled.program ??= compileActions(compiled.flow.actions, compiled.fault);
    return compiled.program;
  }

  get packets(): number {
    return this.#use?.packets ?? 0;
  }
  get bytes(): number {
    return this.#use?.bytes ?? 0;
  }
  /** When its actions were written last: hard timeouts count from here. */
  get modified(): number {
    return this.#use?.modified ?? this.created;
  }
  set modified(now: number) {
    this.#inUse().modified = now;
  }
  /** When the last packet met it. */
  get used(): number {
    return this.#use?.used ?? this.created;
  }
  /** Timeouts that a connection's end brought, in seconds (`fin_timeout`). */
  get finTimeouts(): Use["finTimeouts"] {
    return this.#use?.finTimeouts;
  }
  set finTimeouts(timeouts: Use["finTimeouts"]) {
    this.#inUse().finTimeouts = timeouts;
  }

  /** A packet met it. */
  count(bytes: number, now: number): void {
    const use = this.#inUse();
    use.packets++;
    use.bytes += bytes;
    use.used = now;
  }
  setCounts({ packets, bytes }: { readonly packets: number; readonly bytes: number }): void {
    Object.assign(this.#inUse(), { packets, bytes });
  }

  setFlow(flow: Flow): void {
    this.#compiled = {
      ...this.#compiled,
      flow,
      clauses: clausesOf(flow),
      leads: usesGroup(flow.actions),
      program: undefined,
    };
  }

  #inUse(): Use {
    if (this.#use === undefined) {
      this.#use = { packets: 0, bytes: 0, modified: this.created, used: this.created, finTimeouts: undefined };
      this.home?.keep(this);
    }
    return this.#use;
  }
}

/** `terms` are those of the flow's match, when somebody has them. Throws UnencodableFlow for a value that does not fit its field. */
export function createEntry(
  flow: Flow,
  options: { readonly now: number; readonly fault?: Fault | undefined; readonly terms?: readonly MatchTerm[] },
): TableEntry {
  const { now, fault, terms } = options;
  return new TableEntry(fault === undefined ? compileOnce(flow, terms) : compileFlow(flow, terms, fault), { created: now });
}

export function matchesKey({ shape, values }: CompiledFlow, key: Key): boolean {
  const { words, masks } = shape;
  for (let index = 0; index < words.length; index++)
    if (((key[words[index] as number] as number) & (masks[index] as number)) !== values[index]) return false;
  return true;
}

/** What an entry is made of, whatever it counts. */
export interface CompiledFlow {
  /** With its match as the switch stores it. */
  readonly flow: Flow;
  readonly shape: MatchShape;
  /** Of 32 bits each, signed. A list takes a third of the memory that an Int32Array of so few takes. */
  readonly values: readonly number[];
  readonly clauses: readonly ConjunctionClause[];
  /** Its actions lead to a group. */
  readonly leads: boolean;
  readonly fault: Fault | undefined;
  program: Program | undefined;
}

/** Of flows that are frozen: the same one goes to many switches of a simulation. */
const sharedFlows = new WeakMap<Flow, CompiledFlow>();

function compileOnce(flow: Flow, terms: readonly MatchTerm[] | undefined): CompiledFlow {
  const known = sharedFlows.get(flow);
  if (known !== undefined) return known;
  const compiled = compileFlow(flow, terms);
  if (Object.isFrozen(flow)) {
    sharedFlows.set(flow, compiled);
    sharedFlows.set(compiled.flow, compiled);
  }
  return compiled;
}

function compileFlow(flow: Flow, terms: readonly MatchTerm[] = matchTerms(flow.match), fault?: Fault): CompiledFlow {
  const match = normalMatch(flow.match, terms);
  const whole = fault === "masks match whole words";
  return {
    flow: match === flow.match ? flow : { ...flow, match },
    shape: whole ? wholeShapeOf(terms) : shapeOf(terms),
    values: terms.flatMap(termValues),
    clauses: clausesOf(flow),
    leads: usesGroup(flow.actions),
    fault,
    program: undefined,
  };
}

const noClauses: readonly ConjunctionClause[] = [];

function clausesOf({ actions }: Flow): readonly ConjunctionClause[] {
  if (!actions.some(({ type }) => type === "conjunction")) return noClauses;
  const clauses = actions.flatMap((action) => (action.type === "conjunction" ? [action] : []));
  return clauses;
}

/** Whether the actions lead to the group, or to any, those inside other actions too. */
export function usesGroup(actions: readonly Action[], group?: number): boolean {
  return actions.some(
    (action) =>
      (action.type === "group" && (group === undefined || action.group === group)) ||
      ((action.type === "write_actions" || action.type === "clone") && usesGroup(action.actions, group)),
  );
}

/** More than any pipeline makes; beyond that an entry has a shape of its own. */
const mostShapes = 10_000;
const shapes = { size: 0, first: newPath() };

/** Shapes by the fields of matches and their masks, one after the other. */
interface ShapePath {
  /** By the index of the next field, then by its mask. */
  readonly next: (Map<bigint, ShapePath> | undefined)[];
  shape: MatchShape | undefined;
}

function newPath(): ShapePath {
  return { next: [], shape: undefined };
}

function shapeOf(terms: readonly MatchTerm[]): MatchShape {
  let path = shapes.first;
  for (const { field, mask } of terms) {
    path.next[field.index] ??= new Map<bigint, ShapePath>();
    const byMask = path.next[field.index] as Map<bigint, ShapePath>;
    let next = byMask.get(mask);
    if (next === undefined) {
      if (shapes.size >= mostShapes) return newShape(terms.flatMap(termWords));
      next = newPath();
      byMask.set(mask, next);
      shapes.size++;
    }
    path = next;
  }
  path.shape ??= newShape(terms.flatMap(termWords));
  return path.shape;
}

function newShape(match: readonly WordValue[]): MatchShape {
  return {
    text: match.map(({ word, mask }) => `${word}/${mask},`).join(""),
    words: Int32Array.from(match, ({ word }) => word),
    masks: Int32Array.from(match, ({ mask }) => mask),
  };
}

/** For a fault. */
const wholeShapeOf = (terms: readonly MatchTerm[]): MatchShape =>
  newShape(terms.flatMap(termWords).map((word) => (word.mask === -1 ? word : { ...word, mask: word.mask | 1 })));
