import type { Clock, Timer } from "#lib/runtime/clock.ts";

/** One timer per key, the earliest that was asked for. Times are milliseconds since the epoch. */
export interface Timetable {
  readonly at: (key: string, time: number) => void;
}

export function createTimetable({ clock, due }: { readonly clock: Clock; readonly due: (key: string) => void }): Timetable {
  const timers = new Map<string, { readonly time: number; readonly timer: Timer }>();
  return {
    at(key, time) {
      const known = timers.get(key);
      if (known !== undefined && known.time <= time) return;
      known?.timer.cancel();
      const timer = clock.after(
        Math.max(0, time - clock.wall()),
        () => {
          timers.delete(key);
          due(key);
        },
        { background: true },
      );
      timers.set(key, { time, timer });
    },
  };
}
