import { firstHeaderWord, type Key, wordOf } from "./layout.ts";
import type { Program, Step } from "./program.ts";

/** A walk that goes on later: after connection tracking, or when a controller resumes the packet. */
export interface FrozenState {
  readonly table: number;
  /** Metadata words: registers, tunnel, input port, … */
  readonly metadata: Key;
  /** The state of the connection is still valid. */
  readonly tracked: boolean;
  readonly stack: readonly bigint[];
  readonly actionSet: readonly Step[];
  /** Rest of the actions, to be done instead of a look-up. */
  readonly steps?: Program;
}

const unfrozen = [
  "ct_state",
  "ct_zone",
  "ct_mark",
  "ct_nw_proto",
  "ct_nw_src",
  "ct_nw_dst",
  "ct_tp_src",
  "ct_tp_dst",
  "pkt_mark",
  "recirc_id",
  "conj_id",
] as const;
/** Words of metadata that travel with the packet and not with the frozen state. */
const travelling: ReadonlySet<number> = new Set([
  ...unfrozen.map(wordOf),
  ...[0, 1, 2, 3].flatMap((index) => [wordOf("ct_label") + index, wordOf("ct_ipv6_src") + index, wordOf("ct_ipv6_dst") + index]),
]);
const frozenWords = Array.from({ length: firstHeaderWord }, (_, index) => index).filter((index) => !travelling.has(index));

/** Copies what a frozen state keeps. */
export function restoreMetadata(from: Key, to: Key): void {
  for (const index of frozenWords) to[index] = from[index] as number;
}

/** Words that are the same for every packet of a recirculation; in the first pass, registers are. */
export const frozenMetadataWords: readonly number[] = frozenWords;

/** Gives equal states equal numbers, so that the cache knows them again. Zero is the first pass. */
export function createRecirculations(): {
  freeze(state: FrozenState): number;
  thaw(id: number): FrozenState | undefined;
  clear(): void;
  readonly size: number;
} {
  const states = new Map<number, FrozenState>();
  const ids = new Map<string, number>();
  let next = 1;
  return {
    freeze(state) {
      const plain = state.stack.length === 0 && state.actionSet.length === 0 && state.steps === undefined;
      const text = plain ? textOf(state) : undefined;
      const known = text === undefined ? undefined : ids.get(text);
      if (known !== undefined) return known;
      const id = next++;
      states.set(id, { ...state, metadata: state.metadata.slice(0, firstHeaderWord) });
      if (text !== undefined) ids.set(text, id);
      return id;
    },
    thaw: (id) => states.get(id),
    clear() {
      states.clear();
      ids.clear();
    },
    get size() {
      return states.size;
    },
  };
}

function textOf({ table, tracked, metadata }: FrozenState): string {
  let text = `${table}|${tracked}`;
  for (const index of frozenWords) text += metadata[index] === 0 ? "," : `,${metadata[index]}`;
  return text;
}
