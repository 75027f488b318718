import { type CriClient, isNotFound } from "#lib/cri/index.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { type Duration, minutes, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";

/** Ends containers in the background: what is to be done before, SIGTERM, the grace, SIGKILL. */
export interface Stopper {
  /**
   * Asks for the end within `graceSeconds`, of which `before` takes its part. Asking again matters only if the time got shorter, and waits for nothing.
   * Returns whether it was news.
   */
  stop(uid: string, containerId: string, graceSeconds: number, before?: (limit: Duration) => Promise<void>): boolean;
}

/** What a container has left to end in, however long its hook took; the stock kubelet's. */
const leastGrace = seconds(2);

export function createStopper(options: {
  readonly runtime: Runtime;
  readonly cri: CriClient;
  /** Hears when a container of the pod has been stopped, or could not be. */
  readonly ended: (uid: string) => void;
}): Stopper {
  const { runtime, cri, ended } = options;
  const deadlines = new Map<string, number>();
  return {
    stop(uid, containerId, graceSeconds, before) {
      const deadline = runtime.clock.monotonic() + seconds(graceSeconds);
      const known = deadlines.get(containerId);
      // a second of tolerance: the same wish computed a moment later is not a shorter one
      if (known !== undefined && deadline > known - seconds(1)) return false;
      deadlines.set(containerId, deadline);
      const end = async (): Promise<void> => {
        const wantsHook = before !== undefined && known === undefined && graceSeconds > 0;
        const limit = seconds(graceSeconds);
        if (wantsHook) await Promise.race([before(limit), sleep(runtime.clock, limit)]);
        // Somebody asked for an earlier end meanwhile, and sees to it.
        if (deadlines.get(containerId) !== deadline) return;
        const left = wantsHook ? Math.max(leastGrace, deadline - runtime.clock.monotonic()) : limit;
        const timeout = left + minutes(2);
        await cri.stopContainer({ containerId, timeout: BigInt(Math.ceil(left / seconds(1))) }, { timeout });
      };
      void end()
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
