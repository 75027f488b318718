import type { Direction } from "#core/api/controlplane/index.ts";
import type { LayerName, SegmentNumbers } from "./layers.ts";

/** Where a rule stands in its profile: the segment by its place among the profile's. */
export type OrderedPlace = readonly [ruleId: number, priority: number, segment: number];

/** What is remembered of the rules of one profile. */
export interface ProfileAllocations {
  /** Those whose peers stand in their flows. */
  readonly inline: readonly string[];
  readonly order: readonly OrderedPlace[];
}

/** Which numbers one layer of a direction has given away. */
export interface LayerAllocations {
  /** By interface name: the segments of its profile. */
  readonly ports: Readonly<Record<string, readonly SegmentNumbers[]>>;
  /** Rules (variants) whose peers stand in their flows. */
  readonly inline: readonly string[];
  /** By first segment of a profile: the places of its rules where they are in order, else of those that are not where they would be by themselves. */
  readonly orders: Readonly<Record<number, readonly OrderedPlace[]>>;
}

/** Which numbers one direction has given away: kept across restarts, so that a restart changes no flow that is right. */
export interface SideAllocations extends Readonly<Record<LayerName, LayerAllocations>> {
  /** By page: the bit of each set. */
  readonly bits: Readonly<Record<number, Readonly<Record<string, number>>>>;
  /** By first segment of a profile: the number under which it is entered from a tier's page. */
  readonly doors: Readonly<Record<number, number>>;
}

export type PolicyAllocations = Readonly<Record<Direction, SideAllocations>>;
