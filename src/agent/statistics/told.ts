import { countedTypes, differences, type PolicyCounters } from "#core/statistics/index.ts";
import type { NodeStatistics } from "./keep.ts";

/** What the node has counted at one moment, to be told. */
export interface Moment {
  /** Sums since counting began. */
  readonly policies: readonly PolicyCounters[];
  /** What came since controllers acknowledged something last; undefined while nothing is known to be acknowledged. */
  readonly differences: readonly PolicyCounters[] | undefined;
  /** A controller has taken this, in whatever form. */
  acknowledge(): void;
}

/** Up to where controllers know what this node counted: a report that fails leaves that where it was, one that is answered late never takes it back. */
export function createTold(statistics: Pick<NodeStatistics, "policies">) {
  let taken = 0;
  let known: { readonly number: number; readonly policies: readonly PolicyCounters[] } | undefined;
  return {
    now(): Moment {
      taken++;
      const number = taken;
      const policies = statistics.policies().filter(({ policy }) => countedTypes.has(policy.type));
      return {
        policies,
        differences: known && differences(policies, known.policies),
        acknowledge() {
          if (known === undefined || number > known.number) known = { number, policies };
        },
      };
    },
  };
}

export type Told = ReturnType<typeof createTold>;
