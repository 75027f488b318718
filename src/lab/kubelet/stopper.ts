import { type CriClient, isNotFound } from "#lib/cri/index.ts";
import { minutes, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Ends containers in the background: SIGTERM, the grace, SIGKILL. */
export interface Stopper {
  /** Asks for the end within `graceSeconds`. Asking again matters only if the time got shorter. Returns whether it was news. */
  stop(uid: string, containerId: string, graceSeconds: number): boolean;
}

export function createStopper(options: {
  readonly runtime: Runtime;
  readonly cri: CriClient;
  /** Hears when a container of the pod has been stopped, or could not be. */
  readonly ended: (uid: string) => void;
}): Stopper {
  const { runtime, cri, ended } = options;
  const deadlines = new Map<string, number>();
  return {
    stop(uid, containerId, graceSeconds) {
      const deadline = runtime.clock.monotonic() + seconds(graceSeconds);
      const known = deadlines.get(containerId);
      // a second of tolerance: the same wish computed a moment later is not a shorter one
      if (known !== undefined && deadline > known - seconds(1)) return false;
      deadlines.set(containerId, deadline);
      const timeout = seconds(graceSeconds) + minutes(2);
      void cri
        .stopContainer({ containerId, timeout: BigInt(Math.ceil(graceSeconds)) }, { timeout })
        .catch((error: unknown) => {
          if (!isNotFound(error)) runtime.logger.warn("a container was not stopped", { containerId, error: errorMessage(error) });
        })
        .finally(() => {
          if (deadlines.get(containerId) === deadline) deadlines.delete(containerId);
          ended(uid);
        });
      return known === undefined;
    },
  };
}
