import { type NamePattern, parsePattern } from "./pattern.ts";

/** A pattern with the sets that have it and the tracked names that it matches. */
export interface PatternUse {
  readonly pattern: NamePattern;
  readonly sets: Set<string>;
  /** In the order of their last use by a pod, the longest ago first. */
  readonly names: Set<string>;
  /** When the first set had it, wall clock, milliseconds. */
  readonly since: number;
  /** Whether an address was ever seen under it. */
  seen: boolean;
}

/** Which patterns a name is of. Exact names cost one look-up; wildcards are tried one by one, once per name. */
export interface NameIndex {
  /** Makes `patterns` those of the set; text that is no pattern matches nothing. */
  assign(set: string, patterns: readonly string[], now: number): void;
  usesOf(name: string): ReadonlySet<PatternUse>;
  /** Uses of the set's patterns. */
  ofSet(set: string): ReadonlySet<PatternUse>;
  uses(): Iterable<PatternUse>;
}

const nothing: ReadonlySet<PatternUse> = new Set();

export function createNameIndex({ unmatchedNames }: { readonly unmatchedNames: number }): NameIndex {
  const exact = new Map<string, PatternUse>();
  const wildcards = new Map<string, PatternUse>();
  const bySet = new Map<string, Set<PatternUse>>();
  /** Names that match nothing: pods ask for them, too, and again and again. */
  const unmatched = new Set<string>();

  const home = ({ exact: isExact }: NamePattern): Map<string, PatternUse> => (isExact ? exact : wildcards);
  const useOf = (pattern: NamePattern, now: number): PatternUse => {
    const found = home(pattern).get(pattern.text);
    if (found !== undefined) return found;
    const use: PatternUse = { pattern, sets: new Set(), names: new Set(), since: now, seen: false };
    home(pattern).set(pattern.text, use);
    unmatched.clear();
    return use;
  };
  return {
    assign(set, patterns, now) {
      const before = bySet.get(set) ?? nothing;
      const parsed = patterns.flatMap((text) => parsePattern(text) ?? []);
      const after = new Set(parsed.map((pattern) => useOf(pattern, now)));
      for (const use of after) use.sets.add(set);
      for (const use of before) {
        if (after.has(use)) continue;
        use.sets.delete(set);
        if (use.sets.size === 0) home(use.pattern).delete(use.pattern.text);
      }
      if (after.size > 0) bySet.set(set, after);
      else bySet.delete(set);
    },
    usesOf(name) {
      if (unmatched.has(name)) return nothing;
      const found = new Set<PatternUse>();
      const named = exact.get(name);
      if (named !== undefined) found.add(named);
      for (const use of wildcards.values()) if (use.pattern.matches(name)) found.add(use);
      if (found.size > 0) return found;
      if (unmatched.size >= unmatchedNames) unmatched.clear();
      unmatched.add(name);
      return nothing;
    },
    ofSet: (set) => bySet.get(set) ?? nothing,
    *uses() {
      yield* exact.values();
      yield* wildcards.values();
    },
  };
}
