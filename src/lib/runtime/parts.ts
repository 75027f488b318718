import type { Clock } from "./clock.ts";
import { type Duration, milliseconds } from "./duration.ts";
import type { Turns } from "./turns.ts";

/** Work that may rest at every `yield`, for others to have their turn. */
export type Parts<Result> = Generator<void, Result, void>;

/** All parts, without a rest. */
export function atOnce<Result>(parts: Parts<Result>): Result {
  for (let step = parts.next(); ; step = parts.next()) if (step.done) return step.value;
}

/** A function whose work is too short to rest in. */
export const inOnePart = <Argument, Result>(work: (argument: Argument) => Result): ((argument: Argument) => Parts<Result>) =>
  // biome-ignore lint/correctness/useYield: see above
  function* (argument) {
    return work(argument);
  };

/** How one request's work goes on: without a rest while it is short. */
export interface Pace {
  /** The result itself where the work did not rest. */
  run<Result>(parts: Parts<Result>): Result | Promise<Result>;
  /** A promise where a rest is due before more work. */
  rest(): Promise<void> | undefined;
  /** Resolves in the turn of this work among all that is long. */
  turn(): Promise<void>;
}

export const withoutRest: Pace = { run: atOnce, rest: () => undefined, turn: () => Promise.resolve() };

/** Work goes on for this long before it rests: far more than an ordinary write takes, and little beside what a wide one may take. */
const longestStretch = milliseconds(8);

/** One request's pace. Work that has rested goes on in `turns`, which long work shares: of all of it one stretch is done in a turn of the event loop. */
export function createPace(clock: Pick<Clock, "monotonic">, turns: Turns, stretch: Duration = longestStretch): Pace {
  let since: number | undefined;
  const isDue = (): boolean => {
    since ??= clock.monotonic();
    return clock.monotonic() - since >= stretch;
  };
  const rested = (): Promise<void> =>
    new Promise((resolve) =>
      turns(() => {
        since = clock.monotonic();
        resolve();
      }),
    );
  const goOn = async <Result>(parts: Parts<Result>): Promise<Result> => {
    for (;;) {
      await rested();
      do {
        const step = parts.next();
        if (step.done) return step.value;
      } while (!isDue());
    }
  };
  return {
    run(parts) {
      while (!isDue()) {
        const step = parts.next();
        if (step.done) return step.value;
      }
      return goOn(parts);
    },
    rest: () => (isDue() ? rested() : undefined),
    turn: rested,
  };
}
