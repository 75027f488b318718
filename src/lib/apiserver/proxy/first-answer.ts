import { type Clock, sleep } from "#lib/runtime/clock.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Address } from "./service-address.ts";

/** A server that has not answered by then is not waited for alone, where there is another: a write that asks it shall not stand for a second. */
export const answerWithin: Duration = milliseconds(300);
/** One that failed is asked last for this long. */
const avoidedFor = seconds(5);

/** Several servers of one Service that answer the same. Who failed lately is asked last, the others in turn. */
export interface Endpoints {
  inOrder<Target extends Address>(addresses: readonly Target[]): readonly Target[];
  failed(address: Address): void;
  answered(address: Address): void;
}

export function createEndpoints(clock: Pick<Clock, "monotonic">): Endpoints {
  const avoided = new Map<string, number>();
  let turn = 0;
  const nameOf = ({ host, port }: Address): string => `${host} ${port}`;
  const isAvoided = (address: Address): boolean => {
    const until = avoided.get(nameOf(address));
    if (until === undefined) return false;
    if (until > clock.monotonic()) return true;
    avoided.delete(nameOf(address));
    return false;
  };
  return {
    inOrder(addresses) {
      const first = addresses.length === 0 ? 0 : turn++ % addresses.length;
      const rotated = [...addresses.slice(first), ...addresses.slice(0, first)];
      return [...rotated.filter((each) => !isAvoided(each)), ...rotated.filter(isAvoided)];
    },
    failed: (address) => void avoided.set(nameOf(address), clock.monotonic() + avoidedFor),
    answered: (address) => void avoided.delete(nameOf(address)),
  };
}

/**
 * The first answer of several who answer the same: the next is asked when one fails, and beside one that takes longer than {@link answerWithin}. Rejects with
 * the last failure when all have failed. What is asked must do no harm when it is asked twice.
 */
export async function firstAnswer<Target extends Address, Answer>(options: {
  readonly clock: Clock;
  readonly endpoints: Endpoints;
  readonly targets: readonly Target[];
  readonly ask: (target: Target, signal: AbortSignal) => Promise<Answer>;
}): Promise<Answer> {
  const { clock, endpoints, targets, ask } = options;
  const over = new AbortController();
  const asked: Promise<Answer>[] = [];
  let failure: unknown = new Error("there is nobody to ask");
  try {
    for (const target of endpoints.inOrder(targets)) {
      const one = ask(target, over.signal);
      one.then(
        () => endpoints.answered(target),
        () => {
          if (!over.signal.aborted) endpoints.failed(target);
        },
      );
      asked.push(one);
      const isLast = asked.length === targets.length;
      const slow = isLast ? new Promise<"slow">(() => {}) : sleep(clock, answerWithin, over.signal).then(() => "slow" as const);
      slow.catch(() => {});
      // Any answer, or the failure of all that were asked.
      const outcome = await Promise.race([Promise.any(asked).then((answer) => ({ answer })), slow]).catch((error: unknown) => {
        failure = error instanceof AggregateError ? error.errors.at(-1) : error;
        return undefined;
      });
      if (outcome === "slow") endpoints.failed(target);
      else if (outcome !== undefined) return outcome.answer;
    }
    throw failure;
  } finally {
    over.abort();
  }
}
