import { type Clock, type Duration, milliseconds, minutes } from "#lib/runtime/index.ts";

/** Where a machine is so busy that heartbeats come late, alarms become rarer: each false one doubles the deadline, up to this. */
const mostPatient = 8;
const forgottenAfter = minutes(1);

/** How much longer than a deadline one waits, by what false alarms there were. */
export interface Patience {
  over(limit: Duration): Duration;
  falseAlarm(): void;
}

export function createPatience(clock: Pick<Clock, "monotonic">): Patience {
  let factor = 1;
  let since = clock.monotonic();
  const present = (): number => Math.max(1, factor / 2 ** Math.floor((clock.monotonic() - since) / forgottenAfter));
  return {
    over: (limit) => milliseconds(limit * present()),
    falseAlarm() {
      factor = Math.min(mostPatient, present() * 2);
      since = clock.monotonic();
    },
  };
}
