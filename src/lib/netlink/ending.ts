import { wakeUp } from "./wake-up.ts";

/**
 * What both threads know of the process's end: a thread that waits in the kernel does not hear of it, and a process does not end while it waits. Messages would come too late, as neither thread reads any then.
 */
export type EndingState = Int32Array<SharedArrayBuffer>;

export interface Ending {
  /** The process ends: every wait does that has the descriptor in its set, and none begins any more. */
  begin(): void;
  hasBegun(): boolean;
  /** From now on the end makes this event descriptor readable. */
  listen(descriptor: number): void;
  /** From now on nobody writes to it. */
  leave(): void;
}

const begun = 0;
const place = 1;
/** Descriptors begin at 0. */
const none = -1;

export function newEnding(): EndingState {
  const state = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  state[place] = none;
  return state;
}

export const endingOf = (state: EndingState): Ending => ({
  begin() {
    Atomics.store(state, begun, 1);
    const descriptor = Atomics.load(state, place);
    try {
      if (descriptor !== none) wakeUp(descriptor);
    } catch {
      // The thread has closed it, as it ends itself.
    }
  },
  hasBegun: () => Atomics.load(state, begun) === 1,
  listen(descriptor) {
    Atomics.store(state, place, descriptor);
    // Nobody has written to it if it began before.
    if (Atomics.load(state, begun) === 1) wakeUp(descriptor);
  },
  leave: () => void Atomics.store(state, place, none),
});
