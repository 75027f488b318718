import { serviceUnavailable } from "#lib/apiserver/errors.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { PolicyInputs } from "./inputs.ts";

/** How long a request waits for the first full state. Clients come back by themselves. */
const patience = seconds(10);

/**
 * The door before everything that reads the engine: waits for the first full state, since an empty answer would be taken for "no policies", and
 * publishes what is pending, so that a new watcher starts from exactly what the others were told. Throws ServiceUnavailable.
 */
export function readyGate({
  inputs,
  clock,
}: {
  readonly inputs: PolicyInputs;
  readonly clock: Clock;
}): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (!inputs.synced) {
      const enough = new AbortController();
      const tooLong = sleep(clock, patience, AbortSignal.any([signal, enough.signal])).catch(() => {});
      await Promise.race([inputs.whenSynced(), tooLong]);
      enough.abort();
      if (!inputs.synced) throw serviceUnavailable("policies are not computed yet: the Kubernetes API has not been read");
    }
    inputs.settle();
  };
}
