/**
 * Dense ids from `first` to `last`. A released id cools down until {@link IdPool.settle} says that nothing in the switch means the old owner
 * by it any more.
 */
export interface IdPool {
  /** The preferred id when it is free, else the lowest free one, those not reserved first; undefined when there is none. */
  take(preferred?: number): number | undefined;
  release(id: number): void;
  settle(): void;
  /** Ids that can be taken now. */
  readonly free: number;
}

export interface IdPoolOptions {
  readonly first: number;
  readonly last: number;
  /** Ids that somebody will ask for by number. */
  readonly reserved?: Iterable<number>;
}

export function createIdPool({ first, last, reserved = [] }: IdPoolOptions): IdPool {
  const taken = new Set<number>();
  const kept = new Set(reserved);
  let cooling: number[] = [];
  let lowest = first;
  const isFree = (id: number): boolean => id >= first && id <= last && !taken.has(id);
  return {
    take(preferred) {
      let id = preferred;
      if (id === undefined || !isFree(id)) {
        while (taken.has(lowest)) lowest++;
        id = lowest;
        while (taken.has(id) || kept.has(id)) id++;
        if (id > last) id = lowest;
      }
      if (!isFree(id)) return undefined;
      taken.add(id);
      return id;
    },
    release(id) {
      if (taken.has(id)) cooling.push(id);
    },
    settle() {
      for (const id of cooling) {
        taken.delete(id);
        lowest = Math.min(lowest, id);
      }
      cooling = [];
    },
    get free() {
      return last - first + 1 - taken.size;
    },
  };
}
