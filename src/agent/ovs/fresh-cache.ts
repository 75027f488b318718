import { type Duration, errorMessage, milliseconds, type Runtime, seconds, type Timer } from "#lib/runtime/index.ts";

/** From a change in force to the purge: longer than the switch takes to go over its cache by itself, and what changes meanwhile shares the purge. */
const purgeDelay: Duration = milliseconds(50);
/** A purge passes over cached flows that another thread of the switch is just working on: so long after the last change there is one more. */
const secondPurgeDelay: Duration = seconds(2);

/**
 * The userspace datapath of Open vSwitch 3.1 finds the cached flow to modify by a packet's fields, not by its identity: of two that overlap for a
 * moment after a change it may modify the other one, and then keeps a verdict of before the change for as long as packets use it. So its
 * cache is emptied after each change; what is still in use is computed once more, from the flows in force.
 */
export interface FreshCache {
  /** Resolves when the switch has nothing cached from before the call. Rejects when it cannot be asked. */
  whenFresh(): Promise<void>;
}

export function keepCacheFresh({
  runtime,
  onInForce,
  purge,
  signal,
}: {
  readonly runtime: Runtime;
  /** Calls its listener each time that changes of flows are in force. */
  readonly onInForce: (listener: () => void) => () => void;
  readonly purge: () => Promise<void>;
  readonly signal: AbortSignal;
}): FreshCache {
  /** The purge to come. */
  let next: Promise<void> | undefined;
  const purgeSoon = (): Promise<void> => {
    next ??= new Promise((resolve, reject) => {
      runtime.clock.after(
        purgeDelay,
        () => {
          next = undefined;
          if (signal.aborted) reject(signal.reason);
          else purge().then(resolve, reject);
        },
        { background: true },
      );
    });
    return next;
  };
  const purgeUnwatched = (): void => {
    // a switch that is away comes back with an empty cache
    purgeSoon().catch((error: unknown) => runtime.logger.debug("the switch's cache is not purged", { error: errorMessage(error) }));
  };
  let second: Timer | undefined;
  const stop = onInForce(() => {
    purgeUnwatched();
    second?.cancel();
    second = runtime.clock.after(secondPurgeDelay, purgeUnwatched, { background: true });
  });
  signal.addEventListener("abort", stop, { once: true });
  return { whenFresh: purgeSoon };
}
