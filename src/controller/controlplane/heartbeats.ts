import type { WatchSink } from "#lib/apiserver/resource-store.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { Clock, Timer } from "#lib/runtime/clock.ts";
import { type Duration, milliseconds } from "#lib/runtime/duration.ts";

/** The shortest that an agent may ask for: three of them, and a new connection, pass within a second. */
export const shortestHeartbeat = milliseconds(200);
/** Most heartbeats that a replica sends in a second: a tenth of a processor. With more agents than that they become rarer. */
export const mostHeartbeatsPerSecond = 4_000;
/** Agents are reminded in so many groups, one after the other, so that no turn of the event loop writes to all of them. */
const groups = 10;

/** Signs of life, at an interval that all watches share. */
export interface Heartbeats {
  /** Milliseconds until the next one of each watch, at the latest. */
  readonly interval: Duration;
  add(sink: WatchSink): () => void;
}

/** `mark` makes the bookmark of this moment; it is asked for once for each group. */
export function createHeartbeats({
  clock,
  mark,
  mostPerSecond = mostHeartbeatsPerSecond,
}: {
  readonly clock: Clock;
  readonly mark: () => KubeObject;
  readonly mostPerSecond?: number;
}): Heartbeats {
  const wheel = Array.from({ length: groups }, () => new Set<WatchSink>());
  let size = 0;
  let turn = 0;
  let timer: Timer | undefined;

  const interval = (): Duration => milliseconds(Math.max(shortestHeartbeat, Math.ceil((size / mostPerSecond) * 1_000)));
  const beat = (): void => {
    const group = wheel[turn % groups] ?? new Set<WatchSink>();
    turn++;
    if (group.size > 0) {
      const object = mark();
      for (const sink of [...group]) if (!sink.send({ type: "BOOKMARK", object })) remove(group, sink);
    }
    schedule();
  };
  const schedule = (): void => {
    timer = size === 0 ? undefined : clock.after(milliseconds(interval() / groups), beat, { background: true });
  };
  const remove = (group: Set<WatchSink>, sink: WatchSink): void => {
    if (group.delete(sink)) size--;
  };

  return {
    get interval() {
      return interval();
    },
    add(sink) {
      const group = wheel.reduce((least, each) => (each.size < least.size ? each : least));
      group.add(sink);
      size++;
      if (timer === undefined) schedule();
      return () => remove(group, sink);
    },
  };
}
