import type { Clock, Duration, Timer, VirtualClock } from "#lib/runtime/index.ts";

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
  /** Told to its program as the wish to end. Comes with the end of the simulation, and for no other reason: programs here are killed. */
  readonly signal: AbortSignal;
  /** The simulation is over: nothing holds what the process had any more, dead or not. */
  end(): void;
  onDeath(listener: () => void): () => void;
}

/** `skew` is how far its wall clock is off, in milliseconds; asked each time. `all` has every process that there was. */
export function createProcess({
  clock,
  name,
  all,
  skew = () => 0,
}: {
  readonly clock: VirtualClock;
  readonly name: string;
  readonly all: Set<SimProcess>;
  readonly skew?: () => number;
}): SimProcess {
  const over = new AbortController();
  let state: SimProcess["state"] = "running";
  let waiting: (() => void)[] = [];
  const mourners = new Set<() => void>();
  const enter = (run: () => void): void => {
    if (state === "running") run();
    else if (state === "paused") waiting.push(run);
  };
  const process: SimProcess = {
    name,
    signal: over.signal,
    end() {
      process.kill();
      over.abort(simulationOver);
    },
    clock: {
      monotonic: clock.monotonic,
      wall: () => clock.wall() + skew(),
      after: (delay, run) => new ProcessTimer({ clock, delay, run, enter }),
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
  all.add(process);
  return process;
}

/** One that is due while its process is paused waits with all else, and can still be cancelled. */
class ProcessTimer implements Timer {
  #run: (() => void) | undefined;
  readonly #timer: Timer;

  constructor(options: {
    readonly clock: VirtualClock;
    readonly delay: Duration;
    readonly run: () => void;
    readonly enter: (run: () => void) => void;
  }) {
    const { clock, delay, run, enter } = options;
    this.#run = run;
    const fire = (): void => this.#run?.();
    this.#timer = clock.after(delay, () => enter(fire));
  }

  cancel(): void {
    this.#run = undefined;
    this.#timer.cancel();
  }
}

/** Made once: the stack of an error holds whatever stood on it. */
const simulationOver = new Error("the simulation is over");
