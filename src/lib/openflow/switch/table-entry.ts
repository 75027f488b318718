import type { Flow } from "../flow.ts";
import { type MatchTerm, matchTerms, normalMatch } from "../match.ts";
import type { Fault } from "./faults.ts";
import { type Key, termWords, type WordValue } from "./layout.ts";
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

/** A flow in its table: what it matches by words, what it does, what it counted. */
export class TableEntry {
  flow: Flow;
  readonly priority: number;
  readonly shape: MatchShape;
  /** What the words of {@link shape} must hold under its masks. */
  readonly values: Int32Array;
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
  #program: Program | undefined;
  readonly #fault: Fault | undefined;

  /** `terms` are those of the flow's match, when somebody has them. Throws UnencodableFlow for a value that does not fit its field. */
  constructor(flow: Flow, options: { readonly now: number; readonly fault?: Fault | undefined; readonly terms?: readonly MatchTerm[] }) {
    const { now, fault, terms } = options;
    const compiled = fault === undefined ? compileOnce(flow, terms) : compileFlow(flow, terms, fault);
    this.flow = compiled.flow;
    this.priority = flow.priority;
    this.shape = compiled.shape;
    this.values = compiled.values;
    this.clauses = compiled.clauses;
    this.created = now;
    this.modified = now;
    this.used = now;
    this.#fault = fault;
  }

  /** What it does, worked out for the first packet: most of many flows never meet one. */
  get program(): Program {
    this.#program ??= this.#fault === undefined ? programOf(this.flow) : compileActions(this.flow.actions, this.#fault);
    return this.#program;
  }

  matches(key: Key): boolean {
    const { words, masks } = this.shape;
    const { values } = this;
    for (let index = 0; index < words.length; index++)
      if (((key[words[index] as number] as number) & (masks[index] as number)) !== values[index]) return false;
    return true;
  }

  setFlow(flow: Flow): void {
    this.flow = flow;
    this.#program = undefined;
    this.clauses = clausesOf(flow);
  }
}

/** What an entry is made of, whatever it counts. */
interface CompiledFlow {
  /** With its match as the switch stores it. */
  readonly flow: Flow;
  readonly shape: MatchShape;
  readonly values: Int32Array;
  readonly clauses: readonly ConjunctionClause[];
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
  const words = terms.flatMap(termWords).map((word) => (whole && word.mask !== -1 ? { ...word, mask: word.mask | 1 } : word));
  const values = new Int32Array(words.length);
  for (let index = 0; index < words.length; index++) values[index] = (words[index] as WordValue).value;
  return {
    flow: match === flow.match ? flow : { ...flow, match },
    shape: shapeOf(words),
    values,
    clauses: clausesOf(flow),
    program: undefined,
  };
}

function programOf(flow: Flow): Program {
  const shared = sharedFlows.get(flow);
  if (shared === undefined) return compileActions(flow.actions);
  shared.program ??= compileActions(flow.actions);
  return shared.program;
}

const noClauses: readonly ConjunctionClause[] = [];

function clausesOf({ actions }: Flow): readonly ConjunctionClause[] {
  const clauses = actions.flatMap((action) => (action.type === "conjunction" ? [action] : []));
  return clauses.length === 0 ? noClauses : clauses;
}

/** More than any pipeline makes; beyond that an entry has a shape of its own. */
const mostShapes = 10_000;
const shapes = new Map<string, MatchShape>();

function shapeOf(match: readonly WordValue[]): MatchShape {
  let key = "";
  for (const { word, mask } of match) key += `${word}/${mask},`;
  const known = shapes.get(key);
  if (known !== undefined) return known;
  const shape = { text: key, words: Int32Array.from(match, ({ word }) => word), masks: Int32Array.from(match, ({ mask }) => mask) };
  if (shapes.size < mostShapes) shapes.set(key, shape);
  return shape;
}
