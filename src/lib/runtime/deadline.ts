import { type Clock, systemClock, type Timer } from "./clock.ts";
import type { Duration } from "./duration.ts";

/**
 * Calls `expired` once after `delay`, for waits on sockets: what has arrived by then is delivered first and may still cancel it.
 * Node runs due timers before it looks at sockets, so that in a process that got no processor for a while a plain timer calls late
 * what the system has held ready for long (Node's event loop: timers, poll, check).
 */
export function deadline(
  delay: Duration,
  expired: () => void,
  clock: Clock = systemClock,
  options: { readonly background?: boolean } = {},
): Timer {
  let cancelled = false;
  const timer = clock.after(
    delay,
    () =>
      clock.soon(() => {
        if (!cancelled) expired();
      }),
    options,
  );
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}
