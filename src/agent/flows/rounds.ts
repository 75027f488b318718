/** Changes go to the switch in rounds. Whoever asked for one waits for it and for none that came later. */
export interface Rounds {
  /** Everything that is due now is one. */
  begin(): void;
  /** The round begun last is in force. `tell`: who waited for it hears so; otherwise with a later one. */
  done(options: { readonly tell: boolean }): void;
  /** Nothing is left to do: nobody has to wait. */
  settled(options: { readonly tell: boolean }): void;
  /** Resolves when the round under way is in force, where that holds all that is asked for; otherwise with the one after it. */
  whenDone(options: { readonly allIsUnderWay: boolean }): Promise<void>;
}

export function createRounds(): Rounds {
  let waiters: { readonly round: number; readonly resolve: () => void }[] = [];
  /** The number of the one begun last, and of the last one in force. */
  let begun = 0;
  let done = 0;
  const tellUpTo = (last: number): void => {
    const ready = waiters.filter(({ round }) => round <= last);
    waiters = waiters.filter(({ round }) => round > last);
    for (const { resolve } of ready) resolve();
  };
  return {
    begin: () => void begun++,
    done({ tell }) {
      done = begun;
      if (tell) tellUpTo(begun);
    },
    settled({ tell }) {
      done = begun;
      if (tell) tellUpTo(Number.POSITIVE_INFINITY);
    },
    whenDone({ allIsUnderWay }) {
      const round = done < begun && allIsUnderWay ? begun : begun + 1;
      return new Promise((resolve) => void waiters.push({ round, resolve }));
    },
  };
}
