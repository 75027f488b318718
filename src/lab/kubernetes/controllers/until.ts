import { seconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { ReadTable } from "#lib/table/table.ts";

/** Longest wait for one's own write to come back by the watch: after that, work goes on with what is known. */
const echoLimit = seconds(5);

/**
 * Waits until `holds` is true of a table: a controller that has written goes on once its own view shows it, or it would write again.
 * Resolves to false when that took too long or `signal` aborted.
 */
export function until<Row>(
  { runtime, signal }: { readonly runtime: Runtime; readonly signal: AbortSignal },
  table: ReadTable<Row>,
  holds: () => boolean,
): Promise<boolean> {
  if (holds()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const finish = (result: boolean): void => {
      stop();
      timer.cancel();
      signal.removeEventListener("abort", aborted);
      resolve(result);
    };
    const aborted = (): void => finish(false);
    const stop = table.subscribe(() => {
      if (holds()) finish(true);
    });
    const timer = runtime.clock.after(echoLimit, aborted, { background: true });
    signal.addEventListener("abort", aborted, { once: true });
  });
}
