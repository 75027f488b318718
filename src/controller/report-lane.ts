import { comeBackLater } from "#lib/apiserver/errors.ts";
import type { Target } from "#lib/apiserver/http/target.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { seconds } from "#lib/runtime/duration.ts";

/** The way of what agents report: behind computing. */
export interface ReportLane {
  /**
   * Resolves when it is this report's turn; the call that it resolves to ends that. While anything is being computed, one report has its turn between two stretches of
   * computing; else few at once, so that what is heard meanwhile waits for few. Rejects with TooManyRequests when too many wait, or with the signal's reason.
   */
  admit(signal: AbortSignal): Promise<() => void>;
  /** Reports that wait. Their bodies are not read yet. */
  readonly waiting: number;
}

/** Reports under way while nothing is computed: reading one takes two turns of the event loop, in which others may begin. */
const seats = 4;
/** An agent that is slow to send what it began holds up others no longer than this. */
const turnAtMost = seconds(1);
/** Two of each of 5 000 nodes, which is what agents have under way at once; an agent that is refused tries again. */
export const waitingAtMost = 10_000;
/** Later than a first load of a large cluster takes. */
const retrySeconds = 5;

export function createReportLane(options: {
  readonly clock: Pick<Clock, "soon" | "after">;
  readonly isComputing: () => boolean;
}): ReportLane {
  const { clock, isComputing } = options;
  const queue = new Set<() => void>();
  let taken = 0;
  let scheduled = false;

  const pump = (): void => {
    scheduled = false;
    const most = isComputing() ? 1 : seats;
    for (const begin of queue) {
      if (taken >= most) break;
      queue.delete(begin);
      taken++;
      begin();
    }
    // Whoever has a seat calls again when it is free.
    if (queue.size > 0 && taken < seats) schedule();
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    clock.soon(pump);
  };
  return {
    get waiting() {
      return queue.size;
    },
    admit(signal) {
      if (queue.size >= waitingAtMost) throw comeBackLater("many agents report at the same time", retrySeconds);
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const giveUp = (): void => {
          queue.delete(begin);
          reject(signal.reason);
        };
        const begin = (): void => {
          signal.removeEventListener("abort", giveUp);
          let isOver = false;
          const end = (): void => {
            if (isOver) return;
            isOver = true;
            limit.cancel();
            taken--;
            if (queue.size > 0) schedule();
          };
          const limit = clock.after(turnAtMost, end, { background: true });
          resolve(end);
        };
        signal.addEventListener("abort", giveUp, { once: true });
        queue.add(begin);
        schedule();
      });
    },
  };
}

/** Whether a request is what an agent reports: how far policies are enforced, or what it counted. */
export const isReport = (target: Target): boolean =>
  target.kind === "resource" &&
  target.verb === "create" &&
  ((target.resource === "networkpolicies" && target.subresource === "status") || target.resource === "nodestatssummaries");
