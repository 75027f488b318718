import type { Direction } from "#core/api/controlplane/index.ts";
import type { SegmentNumbers } from "./port-flows.ts";

/** Which numbers one direction has given away: kept across restarts, so that a restart changes no flow that is right. */
export interface SideAllocations {
  /** By interface name: the segments of its profile. */
  readonly ports: Readonly<Record<string, readonly SegmentNumbers[]>>;
  /** By page: the bit of each set. */
  readonly bits: Readonly<Record<number, Readonly<Record<string, number>>>>;
  /** Rules (variants) whose peers stand in their flows. */
  readonly inline: readonly string[];
}

export type PolicyAllocations = Readonly<Record<Direction, SideAllocations>>;
