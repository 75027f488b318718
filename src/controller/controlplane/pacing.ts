import { comeBackLater, type StatusError } from "#lib/apiserver/errors.ts";
import type { WatchSink } from "#lib/apiserver/resource-store.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Random } from "#lib/runtime/random.ts";

/** What agents begin with may wait for their sockets, of all of them together. Enough to fill every network; the rest comes when these have what they need. */
const mostPendingBytes = 32 * 1024 * 1024;
/** As long an agent waits for its turn: the next is always there when one has what it needs, and a wait costs less than another connection. */
const longestTurn: Duration = seconds(5);
/** As many agents as a replica is made for. Each waits with its requests and nothing else. */
const mostWaiting = 5_000;
/** How often it is looked whether sockets have taken what was waiting for them. Short beside the 5 to 10 ms that it takes to serve one. */
const lookEvery: Duration = milliseconds(10);
/** Whoever is sent away comes back within this time, spread evenly: in seconds, as the header has it. */
const longestWait = 3;

/** Lets agents begin one after the other when all come at once, as when another replica died: they enforce what they have, and each is served whole. */
export interface Pacing {
  /** Of a watch for `node` that wants to begin, until `signal` aborts. Those for one node wait together. */
  arrive(node: string, signal: AbortSignal): Arrival;
  /** A watch was given what it begins with. */
  began(sink: WatchSink): void;
}

export interface Arrival {
  /** Whether it may begin now, in this turn of the event loop: not while too much of what others began with has not left, nor before those that wait. */
  mayBegin(): boolean;
  /** Resolves when it is to ask again. Throws TooManyRequests with `Retry-After` when too many wait or it waited for too long, and the signal's reason. */
  turn(): Promise<void>;
}

export interface PacingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limitBytes?: number;
  readonly limitWaiting?: number;
}

/** The place of one node among those that wait. */
interface Place {
  readonly since: number;
  readonly watches: Set<Waiting>;
}

interface Waiting {
  call(): void;
  sendAway(): void;
}

export function createPacing(options: PacingOptions): Pacing {
  const { clock, random, limitBytes = mostPendingBytes, limitWaiting = mostWaiting } = options;
  const beginning = new Set<WatchSink>();
  /** In the order in which they came. */
  const places = new Map<string, Place>();
  let looking = false;

  const pending = (): number => {
    let sum = 0;
    for (const sink of beginning) {
      const { pendingBytes = 0 } = sink;
      if (pendingBytes === 0) beginning.delete(sink);
      sum += pendingBytes;
    }
    return sum;
  };
  const tooMany = (): StatusError => comeBackLater("many agents begin at the same time", 1 + random.below(longestWait));

  /** Calls one node at a time: what it begins with counts before the next is called. */
  const look = (): void => {
    looking = false;
    for (const [node, { since, watches }] of places) {
      if (clock.monotonic() - since < longestTurn) break;
      places.delete(node);
      for (const watch of watches) watch.sendAway();
    }
    const [first] = places;
    const hasRoom = first !== undefined && pending() <= limitBytes;
    if (hasRoom) {
      const [node, { watches }] = first;
      places.delete(node);
      for (const watch of watches) watch.call();
    }
    if (places.size > 0) lookAgain(hasRoom);
  };
  const lookAgain = (soon: boolean): void => {
    if (looking) return;
    looking = true;
    if (soon) clock.soon(look);
    else clock.after(lookEvery, look, { background: true });
  };

  return {
    arrive(node, signal) {
      const since = clock.monotonic();
      let called = false;
      return {
        mayBegin: () => (called || places.size === 0) && pending() <= limitBytes,
        turn: () =>
          new Promise((resolve, reject) => {
            if (signal.aborted) return reject(signal.reason);
            const place = places.get(node) ?? { since, watches: new Set() };
            if (place.watches.size === 0 && places.size >= limitWaiting) return reject(tooMany());
            const gone = (): void => {
              place.watches.delete(waiting);
              if (place.watches.size === 0 && places.get(node) === place) places.delete(node);
              reject(signal.reason);
            };
            const waiting: Waiting = {
              call() {
                signal.removeEventListener("abort", gone);
                called = true;
                resolve();
              },
              sendAway() {
                signal.removeEventListener("abort", gone);
                reject(tooMany());
              },
            };
            signal.addEventListener("abort", gone, { once: true });
            place.watches.add(waiting);
            places.set(node, place);
            lookAgain(false);
          }),
      };
    },
    began: (sink) => void beginning.add(sink),
  };
}
