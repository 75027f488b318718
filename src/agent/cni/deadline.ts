import { deadline } from "#lib/runtime/deadline.ts";
import type { Clock, Duration } from "#lib/runtime/index.ts";

/** Runs `work` with a signal that aborts after `timeout`; then, and when `work` fails because of it, rejects with what `late` makes of the reason. */
export async function withDeadline<T>(
  clock: Clock,
  timeout: Duration,
  work: (signal: AbortSignal) => Promise<T>,
  late: (reason: unknown) => Error,
): Promise<T> {
  const controller = new AbortController();
  const expired = Promise.withResolvers<never>();
  const expire = (): void => {
    const reason = new Error(`timed out after ${timeout / 1_000} s`);
    controller.abort(reason);
    expired.reject(late(reason));
  };
  const timer = deadline(timeout, expire, clock);
  try {
    return await Promise.race([work(controller.signal), expired.promise]);
  } catch (error) {
    throw error === controller.signal.reason ? late(error) : error;
  } finally {
    timer.cancel();
  }
}
