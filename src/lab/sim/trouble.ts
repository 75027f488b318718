import { type Duration, seconds, type VirtualClock } from "#lib/runtime/index.ts";

/** A change is in force at every node without trouble after this long, at the latest. The product's own time is some milliseconds. */
export const enforcedWithin: Duration = seconds(2);
/** Trouble that ended is over after this long: two tries in a row, as backoffs reach 5 s and 20 % more. */
export const recovery: Duration = seconds(15);

/** Whose trouble is everybody's. */
const all = "all";

/** Who is in trouble since when: what a node enforces may be as old as that. */
export interface Troubles {
  /** `who` is a node's name, or "all". Ends when the result is called, with {@link recovery} behind. */
  begin(who: string): () => void;
  /** Whether `who` is in trouble, or was until a moment ago. */
  has(who: string): boolean;
  /** The oldest time whose changes the node may not have seen. */
  oldestUnseen(node: string): number;
  /** The same of all nodes: nobody asks for older ones any more. */
  oldestUnseenByAny(): number;
}

export function createTroubles({ clock }: { readonly clock: VirtualClock }): Troubles {
  interface Trouble {
    readonly since: number;
    open: number;
    /** When the last one that ended is over. */
    until: number;
  }
  const troubles = new Map<string, Trouble>();
  const isOver = (who: string, { open, until }: Trouble): boolean => {
    if (open > 0 || clock.monotonic() <= until) return false;
    // It went over into the trouble of all: there was no moment in which a node could have caught up.
    return who === all || since(all) > until;
  };
  const since = (who: string): number => {
    const trouble = troubles.get(who);
    if (trouble === undefined) return Number.POSITIVE_INFINITY;
    if (isOver(who, trouble)) {
      troubles.delete(who);
      return Number.POSITIVE_INFINITY;
    }
    return trouble.since;
  };
  return {
    begin(who) {
      // One that begins in the trouble of all may have missed what all have missed, and goes on when theirs is over.
      if (since(who) === Number.POSITIVE_INFINITY) troubles.set(who, { since: Math.min(clock.monotonic(), since(all)), open: 0, until: 0 });
      const trouble = troubles.get(who) as Trouble;
      trouble.open++;
      return () => {
        trouble.open--;
        trouble.until = Math.max(trouble.until, clock.monotonic() + recovery);
      };
    },
    has: (who) => since(who) !== Number.POSITIVE_INFINITY,
    oldestUnseen: (node) => Math.max(0, Math.min(clock.monotonic(), since(node), since(all)) - enforcedWithin),
    oldestUnseenByAny: () =>
      Math.max(0, [...troubles.keys()].map(since).reduce((oldest, each) => Math.min(oldest, each), clock.monotonic()) - enforcedWithin),
  };
}
