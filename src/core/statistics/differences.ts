import { type Counters, isNothing, noCounters, plus } from "./counters.ts";
import type { PolicyCounters } from "./tally.ts";

/**
 * What came between two moments, in the form in which a controller of antrea (Go) adds it up: it passes over the rules of a policy that has a total. So rules stand
 * without one, and what none of them has (of a policy without rules' names, of rules that are gone) is a policy of its own. Totals are exact; a rule that went and
 * came back under its name counts from zero, as in the sums.
 */
export function differences(now: readonly PolicyCounters[], before: readonly PolicyCounters[]): PolicyCounters[] {
  const earlier = new Map(before.map((each) => [each.policy.uid, each]));
  return now.flatMap(({ policy, total, rules }) => {
    const then = earlier.get(policy.uid);
    const more = [...rules]
      .map(([name, counters]) => [name, since(counters, then?.rules.get(name))] as const)
      .filter(([, counters]) => !isNothing(counters));
    const ofRules = more.reduce((sum, [, counters]) => plus(sum, counters), noCounters);
    const rest = minus(since(total, then?.total), ofRules);
    return [
      ...(more.length > 0 ? [{ policy, total: noCounters, rules: new Map(more) }] : []),
      ...(isNothing(rest) ? [] : [{ policy, total: rest, rules: new Map<string, Counters>() }]),
    ];
  });
}

/** Sums of one beginning only grow: less than before is another beginning, and all of it is new. */
function since(now: Counters, before: Counters = noCounters): Counters {
  const began = now.sessions < before.sessions || now.packets < before.packets || now.bytes < before.bytes;
  return began ? now : minus(now, before);
}

const minus = (one: Counters, other: Counters): Counters => ({
  sessions: one.sessions - other.sessions,
  packets: one.packets - other.packets,
  bytes: one.bytes - other.bytes,
});
