import type { Clock } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";

/** How long an answer of the Kubernetes API is believed: as of the servers that Kubernetes' own library makes. */
export const believedFor = seconds(10);

/** Most answers remembered: a bound against callers that make up credentials. */
const capacity = 4_096;

/** Remembers answers for a while; those who ask while it is being asked for share one answer. Failures are not remembered. */
export interface AnswerCache<Answer> {
  get(key: string, ask: () => Promise<Answer>): Promise<Answer>;
}

export function createAnswerCache<Answer>({
  clock,
  believedFor,
}: {
  readonly clock: Clock;
  readonly believedFor: Duration;
}): AnswerCache<Answer> {
  const answers = new Map<string, { readonly until: number; readonly answer: Promise<Answer> }>();
  return {
    get(key, ask) {
      const now = clock.monotonic();
      const known = answers.get(key);
      if (known !== undefined && known.until > now) return known.answer;
      const entry = { until: now + believedFor, answer: ask() };
      answers.delete(key);
      answers.set(key, entry);
      // A map keeps the order of insertion: the first is the oldest.
      for (const oldest of answers.keys()) {
        if (answers.size <= capacity) break;
        answers.delete(oldest);
      }
      entry.answer.catch(() => {
        if (answers.get(key) === entry) answers.delete(key);
      });
      return entry.answer;
    },
  };
}
