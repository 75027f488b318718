import { comeBackLater } from "#lib/apiserver/errors.ts";
import type { WatchSink } from "#lib/apiserver/resource-store.ts";
import type { Random } from "#lib/runtime/random.ts";

/** What agents begin with may wait for their sockets, of all of them together. Enough to fill every network; the rest comes when these have what they need. */
const mostPendingBytes = 32 * 1024 * 1024;
/** Whoever is sent away comes back within this time, spread evenly: in seconds, as the header has it. */
const longestWait = 3;

/** Lets agents begin one after the other when all come at once, as when another replica died: they enforce what they have, and each is served whole. */
export interface Pacing {
  /** Throws TooManyRequests with `Retry-After` while too much of what others began with has not left. */
  admit(): void;
  /** A watch was given what it begins with. */
  began(sink: WatchSink): void;
}

export function createPacing({ random, limitBytes = mostPendingBytes }: { readonly random: Random; readonly limitBytes?: number }): Pacing {
  const beginning = new Set<WatchSink>();
  const pending = (): number => {
    let sum = 0;
    for (const sink of beginning) {
      const { pendingBytes = 0 } = sink;
      if (pendingBytes === 0) beginning.delete(sink);
      sum += pendingBytes;
    }
    return sum;
  };
  return {
    admit() {
      if (pending() <= limitBytes) return;
      throw comeBackLater("many agents begin at the same time", 1 + random.below(longestWait));
    },
    began: (sink) => void beginning.add(sink),
  };
}
