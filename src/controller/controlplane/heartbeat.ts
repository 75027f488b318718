import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, minutes } from "#lib/runtime/duration.ts";
import type { ControlplaneStores } from "./stores.ts";

/** As often as the Kubernetes API sends bookmarks: agents that ask for progress take a longer silence for a dead connection. */
const heartbeatInterval: Duration = minutes(1);

/** Lets agents hear that the controller is there while nothing changes. */
export function keepHeartbeat({
  clock,
  stores,
  signal,
}: {
  readonly clock: Clock;
  readonly stores: Pick<ControlplaneStores, "heartbeat">;
  readonly signal: AbortSignal;
}): void {
  const beat = (): void => {
    if (signal.aborted) return;
    stores.heartbeat();
    clock.after(heartbeatInterval, beat, { background: true });
  };
  clock.after(heartbeatInterval, beat, { background: true });
}
