import type { ComputedRevisions, NetworkPolicy } from "#core/api/controlplane/index.ts";
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
  /**
   * All that `computed` contains is in the switch. `changed`: members of groups are others than what was proven last, and it needs a round, behind those of policies. Without that
   * it is proven when all before it is.
   */
  contains(computed: ComputedRevisions, options: { readonly changed: boolean }): void;
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
  /** All that `computed` contains is proven; `isNew`: there are members or policies among it that were not before. */
  readonly provenAll: (computed: ComputedRevisions, options: { readonly isNew: boolean }) => void;
  /** From one round for members alone to the next, at least. */
  readonly membersEvery: () => Duration;
  readonly signal: AbortSignal;
}): ProofRounds {
  const { runtime, prove, proven, provenAll, membersEvery, signal } = options;
  const waiting = new Map<string, NetworkPolicy>();
  /** Tried before without success: they alone are no reason to hurry. */
  const unproven = new Map<string, NetworkPolicy>();
  /** Gone while a round was under way. */
  const forgotten = new Set<string>();
  /** What the switch contains. */
  let contained: ComputedRevisions | undefined;
  let told: ComputedRevisions | undefined;
  /** Members changed since the beginning of the last round. */
  let membersWait = false;
  /** Those of the last round are not proven: it failed, or is under way. */
  let membersUnproven = false;
  let lastRound = Number.NEGATIVE_INFINITY;
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
  const round = async (): Promise<Proof> => {
    const policies = new Map([...unproven, ...waiting]);
    waiting.clear();
    unproven.clear();
    const computed = contained;
    membersUnproven ||= membersWait;
    membersWait = false;
    lastRound = runtime.clock.monotonic();
    const proof = await prove().catch((error: unknown): Proof => ({ readMs: 0, contradiction: errorMessage(error) }));
    if (signal.aborted) return proof;
    if (proof.contradiction === undefined) for (const policy of policies.values()) proven(policy, proof.doubt);
    const problem = problemOf(proof);
    if (problem === undefined) {
      membersUnproven = false;
      if (computed !== undefined) {
        told = computed;
        provenAll(computed, { isNew: true });
      }
    } else {
      complain(problem);
      for (const [name, policy] of policies) if (!waiting.has(name) && !forgotten.delete(name)) unproven.set(name, policy);
    }
    forgotten.clear();
    return proof;
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, ...again });
    while ((waiting.size + unproven.size > 0 || membersWait || membersUnproven) && !signal.aborted) {
      // What comes at the same time shares a round.
      await Promise.resolve();
      if (waiting.size + unproven.size === 0 && membersWait) {
        const early = lastRound + membersEvery() - runtime.clock.monotonic();
        if (early > 0) await pause(milliseconds(early));
        if (signal.aborted) break;
      }
      const proof = await round();
      if (signal.aborted) break;
      const problem = problemOf(proof);
      if (problem === undefined) {
        backoff.reset();
        complaint = undefined;
      }
      const rest = milliseconds(Math.min(proof.readMs * restFactor, longestRest));
      if (rest > 0) await sleep(runtime.clock, rest, signal).catch(() => {});
      if (problem !== undefined && waiting.size === 0) await pause(backoff.next());
    }
    running = false;
    tellContained();
  };
  /** Nothing changed since the last round: what is contained more is proven by it. */
  const tellContained = (): void => {
    if (contained === undefined || contained === told || signal.aborted) return;
    told = contained;
    provenAll(contained, { isNew: false });
  };
  const start = (): void => {
    if (running) return;
    running = true;
    void run();
  };

  return {
    add(policy) {
      forgotten.delete(policy.name);
      waiting.set(policy.name, policy);
      hurry();
      start();
    },
    contains(computed, { changed }) {
      contained = computed;
      membersWait ||= changed;
      if (membersWait || membersUnproven) start();
      else if (!running) tellContained();
    },
    forget(name) {
      waiting.delete(name);
      unproven.delete(name);
      if (running) forgotten.add(name);
    },
  };
}

const problemOf = ({ contradiction, doubt }: Proof): string | undefined => contradiction ?? doubt;
