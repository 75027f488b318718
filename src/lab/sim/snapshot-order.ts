import type { VirtualClock } from "#lib/runtime/index.ts";
import type { Violation } from "./observer.ts";

/** Judges what a node's agents leave on its disk by what they left before. */
export interface SnapshotOrder {
  written(node: string, snapshot: string): void;
  readonly violations: readonly Violation[];
}

/**
 * What is enforced never goes back: no snapshot has an older generation of a policy than an earlier one of the node had, whichever controllers and agents were in
 * between. How far the controller says that it has computed proves nothing: that is as much as the slowest stream contains, and a stream that nothing concerns is
 * told of no progress. The policies themselves are looked at.
 */
export function createSnapshotOrder({ clock }: { readonly clock: VirtualClock }): SnapshotOrder {
  /** By node and policy. UIDs never come again. */
  const newest = new Map<string, number>();
  const violations: Violation[] = [];
  return {
    violations,
    written(node, snapshot) {
      for (const [, policy, digits] of snapshot.matchAll(policyMetadata)) {
        const generation = Number(digits);
        const before = newest.get(`${node} ${policy}`) ?? 0;
        if (generation < before) {
          const text = `${node} has generation ${generation} of policy ${policy} in its snapshot, and had ${before} before`;
          violations.push({ at: clock.monotonic(), node, text });
        }
        newest.set(`${node} ${policy}`, generation);
      }
    },
  };
}

/** Groups have no generation. Reading all of a snapshot would take as long as writing it. */
const policyMetadata = /"metadata":\{"name":"([^"]+)"[^{}]*"generation":(\d+)/g;
