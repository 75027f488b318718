import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import { createBackoff, type Duration, errorMessage, milliseconds, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** What came of looking whether the switch does what it was told. */
export interface Proof {
  /** How long reading took: what the next round has to rest for. */
  readonly readMs: number;
  /** What the switch has instead. It is being repaired. */
  readonly contradiction?: string;
  /** The rows are right; why nothing more can be said. */
  readonly doubt?: string;
}

/** Proves policies in rounds: one round reads everything, so it is one for all that wait for it. */
export interface ProofRounds {
  /** In force from now on, and to be proven. */
  add(policy: NetworkPolicy): void;
  forget(name: string): void;
}

/** Reading back takes at most one part of so many of the time. */
const restFactor = 20;
/** However long a reading took, the next begins after this. */
const longestRest: Duration = seconds(30);
const again = { initial: milliseconds(200), limit: seconds(30) };

export function createProofRounds(options: {
  readonly runtime: Runtime;
  readonly prove: () => Promise<Proof>;
  readonly proven: (policy: NetworkPolicy, doubt: string | undefined) => void;
  readonly signal: AbortSignal;
}): ProofRounds {
  const { runtime, prove, proven, signal } = options;
  const waiting = new Map<string, NetworkPolicy>();
  /** Tried before without success: they alone are no reason to hurry. */
  const unproven = new Map<string, NetworkPolicy>();
  /** Gone while a round was under way. */
  const forgotten = new Set<string>();
  let running = false;
  let hurry = (): void => {};
  let complaint: string | undefined;

  const pause = (duration: Duration): Promise<void> => {
    const woken = new AbortController();
    hurry = () => woken.abort();
    return sleep(runtime.clock, duration, AbortSignal.any([woken.signal, signal])).catch(() => {});
  };
  const complain = (problem: string): void => {
    if (problem !== complaint) runtime.logger.warn("policies are not proven to be in force", { problem });
    complaint = problem;
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, ...again });
    while (waiting.size + unproven.size > 0 && !signal.aborted) {
      // What comes at the same time shares a round.
      await Promise.resolve();
      const round = new Map([...unproven, ...waiting]);
      waiting.clear();
      unproven.clear();
      const proof = await prove().catch((error: unknown): Proof => ({ readMs: 0, contradiction: errorMessage(error) }));
      if (signal.aborted) return;
      const problem = proof.contradiction ?? proof.doubt;
      if (proof.contradiction === undefined) for (const policy of round.values()) proven(policy, proof.doubt);
      if (problem !== undefined) {
        complain(problem);
        for (const [name, policy] of round) if (!waiting.has(name) && !forgotten.delete(name)) unproven.set(name, policy);
      } else {
        backoff.reset();
        complaint = undefined;
      }
      forgotten.clear();
      const rest = milliseconds(Math.min(proof.readMs * restFactor, longestRest));
      if (rest > 0) await sleep(runtime.clock, rest, signal).catch(() => {});
      if (problem !== undefined && waiting.size === 0) await pause(backoff.next());
    }
    running = false;
  };

  return {
    add(policy) {
      forgotten.delete(policy.name);
      waiting.set(policy.name, policy);
      hurry();
      if (running) return;
      running = true;
      void run();
    },
    forget(name) {
      waiting.delete(name);
      unproven.delete(name);
      if (running) forgotten.add(name);
    },
  };
}
