import type { Clock, VirtualClock } from "#lib/runtime/index.ts";

/** A process of the simulation: its way to time, and the door through which everything from outside reaches it. */
export interface SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly state: "running" | "paused" | "dead";
  /** Lets something from outside happen to it: now, when it runs again, or, when it is dead, never. */
  enter(run: () => void): void;
  /** As SIGSTOP: what happens to it meanwhile waits. */
  pause(): void;
  resume(): void;
  /** As SIGKILL: nothing of it ever runs again. Its listeners of {@link onDeath} play the kernel, which closes what it had open. */
  kill(): void;
  onDeath(listener: () => void): () => void;
}

/** `skew` is how far its wall clock is off, in milliseconds; asked each time. */
export function createProcess({
  clock,
  name,
  skew = () => 0,
}: {
  readonly clock: VirtualClock;
  readonly name: string;
  readonly skew?: () => number;
}): SimProcess {
  let state: SimProcess["state"] = "running";
  let waiting: (() => void)[] = [];
  const mourners = new Set<() => void>();
  const enter = (run: () => void): void => {
    if (state === "running") run();
    else if (state === "paused") waiting.push(run);
  };
  return {
    name,
    clock: {
      monotonic: clock.monotonic,
      wall: () => clock.wall() + skew(),
      after(delay, run) {
        let cancelled = false;
        const timer = clock.after(delay, () => enter(() => cancelled || run()));
        return {
          cancel() {
            cancelled = true;
            timer.cancel();
          },
        };
      },
      soon: (run) => clock.soon(() => enter(run)),
    },
    get state() {
      return state;
    },
    enter,
    pause() {
      if (state === "running") state = "paused";
    },
    resume() {
      if (state !== "paused") return;
      state = "running";
      const due = waiting;
      waiting = [];
      // Each in a turn of its own, as it would have been.
      for (const run of due) clock.soon(() => enter(run));
    },
    kill() {
      state = "dead";
      waiting = [];
      for (const mourner of [...mourners]) mourner();
      mourners.clear();
    },
    onDeath(listener) {
      mourners.add(listener);
      return () => void mourners.delete(listener);
    },
  };
}
