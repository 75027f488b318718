import { type Duration, hours, seconds } from "#lib/runtime/duration.ts";

/** Bounds of what is remembered of DNS, whatever pods ask and servers answer. */
export interface FqdnLimits {
  /** Names that one wildcard may discover; the one that pods resolved longest ago goes first. */
  readonly namesPerPattern: number;
  /** Names that wildcards may discover in all. Names that a rule spells out are not counted and never go. */
  readonly names: number;
  /** Addresses of one name; those of the latest answer stay, of the others the one that expires first goes first. */
  readonly addressesPerName: number;
  /** Addresses of all names, and one more for each name that a rule spells out. */
  readonly addresses: number;
  /** Names that no pattern matches, remembered so that they need not be matched again. */
  readonly unmatchedNames: number;
  /** What a TTL counts for at most. */
  readonly longestTtl: Duration;
}

export const fqdnLimits: FqdnLimits = {
  // As antrea (Go) has them: users know the metric's reasons.
  namesPerPattern: 1_024,
  names: 10_000,
  // No message can carry more addresses than this.
  addressesPerName: 4_096,
  addresses: 100_000,
  unmatchedNames: 4_096,
  // A server may say 68 years; a name is asked for again each day.
  longestTtl: hours(24),
};

/** A name is asked for again when this part of its life is left, so that its addresses are extended before they expire. */
export const refreshAt = 0.9;
/** How soon a name is asked for again at the earliest, whatever its TTL. */
export const soonestRefresh = seconds(1);
/** After a failure: doubles up to the longest. */
export const retryFirst = seconds(1);
export const retryLongest = seconds(60);
