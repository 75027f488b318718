import type { Direction } from "#core/api/controlplane/index.ts";

/** Which numbers one direction has given away: kept across restarts, so that a restart changes no flow that is right. */
export interface SideAllocations {
  /** By interface name: profile id and page. */
  readonly ports: Readonly<Record<string, readonly [profile: number, page: number]>>;
  /** By page: the bit of each set. */
  readonly bits: Readonly<Record<number, Readonly<Record<string, number>>>>;
}

export type PolicyAllocations = Readonly<Record<Direction, SideAllocations>>;
