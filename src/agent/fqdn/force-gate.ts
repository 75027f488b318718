/** Knows which changes of names are in force in the switch. */
export interface ForceGate {
  /** Whether everything up to this revision is in force. */
  reached(revision: number): boolean;
  /** Resolves when it is; rejects when that cannot be known. */
  when(revision: number): Promise<void>;
}

/** However many wait, one call of `whenInForce` is under way, and one stands behind it for those that came since. */
export function createForceGate(options: {
  /** Resolves when all that was handed on before the call is in force. */
  readonly whenInForce: () => Promise<void>;
  /** The latest revision that was handed on. */
  readonly revision: () => number;
}): ForceGate {
  const { whenInForce, revision: latest } = options;
  let inForce = 0;
  let running: { readonly upTo: number; readonly done: Promise<void> } | undefined;
  const begin = (): Promise<void> => {
    const upTo = latest();
    const done = whenInForce()
      .then(() => {
        inForce = Math.max(inForce, upTo);
      })
      .finally(() => {
        running = undefined;
      });
    running = { upTo, done };
    return done;
  };
  return {
    reached: (revision) => revision <= inForce,
    async when(revision) {
      while (revision > inForce) {
        if (running === undefined) await begin();
        else if (running.upTo >= revision) await running.done;
        // What came after the one under way began waits for it, and then together for the next.
        else await running.done.catch(() => {});
      }
    },
  };
}
