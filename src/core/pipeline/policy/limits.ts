import { bitsPerPage } from "#core/sets/index.ts";

/** Where the encoding of one direction ends, and what it does there. */
export interface EncodingLimits {
  /** Peer sets with a bit at one time; at most {@link bitsPerPage}. */
  readonly setsPerPage: number;
  /** How often the lookup tables are gone through for one packet and the rules of Kubernetes policies, or those of the baseline. */
  readonly rounds: number;
  /** The same for the rules of tiers, before those. */
  readonly tierRounds: number;
  /** Flows that a rule may have with its peers inline, before another round is gone for it: so many cost less than a round of lookups. */
  readonly inlineAtOnce: number;
  /** When there are no rounds left: flows of one rule with its peers inline, and of all such rules together. */
  readonly inlineFlowsOfRule: number;
  readonly inlineFlows: number;
  /** Flows of one rule, however its peers are matched. */
  readonly flowsOfRule: number;
  /** Rules of one pod in one ordered layer and direction: each has a priority of its own. */
  readonly orderedRules: number;
}

export const encodingLimits: EncodingLimits = {
  setsPerPage: bitsPerPage,
  // Open vSwitch resubmits 64 deep at most (MAX_DEPTH); both directions, a Service's bucket and what else there is share them.
  rounds: 20,
  tierRounds: 8,
  inlineAtOnce: 8,
  inlineFlowsOfRule: 1_024,
  inlineFlows: 65_536,
  // Every second port alone, for one peer, is twice as much: no policy that means something gets here.
  flowsOfRule: 16_384,
  orderedRules: 64_000,
};
