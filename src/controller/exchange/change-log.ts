/** Which of many things changed, in order: whoever has heard of everything up to a number is told the rest. */
export interface ChangeLog<Thing extends string> {
  /** The number of the last change; 0 before the first. */
  readonly latest: number;
  note(thing: Thing): void;
  /** What changed after `number`, each once, oldest last change first. */
  after(number: number): Iterable<{ readonly thing: Thing; readonly number: number }>;
  onChange(listener: () => void): () => void;
}

export function createChangeLog<Thing extends string>(): ChangeLog<Thing> {
  const numbers = new Map<Thing, number>();
  const listeners = new Set<() => void>();
  /** Ascending; of a thing that changed again the earlier ones say nothing. */
  let entries: { readonly thing: Thing; readonly number: number }[] = [];
  let latest = 0;
  return {
    get latest() {
      return latest;
    },
    note(thing) {
      latest++;
      numbers.set(thing, latest);
      entries.push({ thing, number: latest });
      if (entries.length > 2 * numbers.size + 16) entries = entries.filter((entry) => numbers.get(entry.thing) === entry.number);
      for (const listener of [...listeners]) listener();
    },
    *after(number) {
      let start = entries.length;
      while (start > 0 && (entries[start - 1]?.number ?? 0) > number) start--;
      for (const entry of entries.slice(start)) if (numbers.get(entry.thing) === entry.number) yield entry;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
