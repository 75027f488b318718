import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { PolicyEngine } from "#core/policy/index.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { MemberProofs } from "./member-proofs.ts";

const lookEvery: Duration = seconds(1);
/** Looking at all policies takes one part of so many of the time. */
const restFactor = 20;

/** Which policies are not enforced everywhere because a node is late with members of their groups. */
export interface LateNodes {
  /** Members changed, or a node told something. */
  touch(): void;
  /** By node, whether the policy's present members are overdue there. */
  of(policy: NetworkPolicy): (node: string) => boolean;
}

/** Looks each second while there is reason to, and at all policies only where a node is late. */
export function followLateNodes(options: {
  readonly clock: Clock;
  readonly engine: Pick<PolicyEngine, "policies">;
  readonly proofs: MemberProofs;
  /** Whether the policy of this UID is enforced everywhere may be another thing now. */
  readonly changed: (uid: string) => void;
  readonly signal: AbortSignal;
}): LateNodes {
  const { clock, engine, proofs, changed, signal } = options;
  let late: ReadonlySet<string> = new Set();
  /** What was told of as overdue, of which its end is to be told. */
  let overdue = new Set<string>();
  let touched = false;
  let looksSoon = false;

  const isOverdue = (policy: NetworkPolicy): ((node: string) => boolean) => {
    if (late.size === 0) return () => false;
    const isProven = proofs.of(policy);
    return (node) => late.has(node) && isProven(node) === false;
  };
  const findOverdue = (): Set<string> => {
    const found = new Set<string>();
    if (late.size === 0) return found;
    const nodes = [...late];
    for (const { row, span } of engine.policies()) {
      const concerned = nodes.filter((node) => span.has(node));
      if (concerned.length > 0 && concerned.some(isOverdue(row))) found.add(row.uid);
    }
    return found;
  };
  const look = (): void => {
    looksSoon = false;
    if (signal.aborted) return;
    const begun = clock.monotonic();
    const before = late;
    late = proofs.late(begun);
    if (touched || late.symmetricDifference(before).size > 0) {
      touched = false;
      const found = findOverdue();
      for (const uid of found.symmetricDifference(overdue)) changed(uid);
      overdue = found;
    }
    if (proofs.isWaiting || overdue.size > 0) again(milliseconds(Math.max(lookEvery, (clock.monotonic() - begun) * restFactor)));
  };
  const again = (wait: Duration): void => {
    if (looksSoon) return;
    looksSoon = true;
    clock.after(wait, look, { background: true });
  };
  const touch = (): void => {
    touched = true;
    if (proofs.isWaiting || overdue.size > 0) again(lookEvery);
  };
  return {
    touch,
    of(policy) {
      const is = isOverdue(policy);
      return (node) => {
        const isIt = is(node);
        // Nobody looked at it yet, as at one that is new: it is told of by whoever asks.
        if (isIt && !overdue.has(policy.uid)) {
          overdue.add(policy.uid);
          touch();
        }
        return isIt;
      };
    },
  };
}
