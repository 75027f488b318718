import type { Scenario, SimEvent } from "./scenario.ts";

/**
 * Leaves events out of a scenario that fails for as long as it still fails: halves, then quarters, down to single ones (Zeller, Hildebrandt: Simplifying and
 * Isolating Failure-Inducing Input, 2002). Ends after `runs` runs at the latest.
 */
export async function shrink(options: {
  readonly scenario: Scenario;
  readonly fails: (scenario: Scenario) => Promise<boolean>;
  readonly runs: number;
  readonly progress?: (text: string) => void;
}): Promise<Scenario> {
  const { fails, progress = () => {} } = options;
  let { scenario, runs } = options;
  const attempt = async (candidate: Scenario): Promise<boolean> => {
    if (runs <= 0) return false;
    runs--;
    if (!(await fails(candidate))) return false;
    progress(`still fails with ${candidate.events.length} of ${options.scenario.events.length} events`);
    scenario = candidate;
    return true;
  };
  for (let size = Math.ceil(scenario.events.length / 2); size >= 1 && runs > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    // From the end: what happens later depends on what was earlier, hardly the other way round.
    for (let start = Math.max(0, scenario.events.length - size); runs > 0; start = Math.max(0, start - size)) {
      const events: SimEvent[] = scenario.events.toSpliced(start, size);
      if (events.length < scenario.events.length) await attempt({ ...scenario, events });
      if (start === 0) break;
    }
  }
  return scenario;
}
