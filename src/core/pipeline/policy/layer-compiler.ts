import type { IndexChanges } from "#core/sets/index.ts";
import type { LayerAllocations } from "./allocations.ts";
import type { PlacedRules } from "./placed-rules.ts";
import type { PortClasses } from "./port-classes.ts";
import type { Segment } from "./profile.ts";

/** One layer of policies in one direction: the profiles of ports, and the flows of their rules. */
export interface LayerCompiler {
  readonly classes: PortClasses;
  readonly rules: PlacedRules;
  /** Before anything else of a change. */
  begin(): void;
  /** Rules that follow the members of their groups. */
  compileMembers(members: IndexChanges): void;
  /** Bits were given back: rules that had no place may get one. */
  retryRefused(): void;
  /** The switch has all flows; true when there is something to do now. */
  settle(): boolean;
  allocations(): LayerAllocations;
}

/** Numbers of segments, and what is to go with one. */
export interface SegmentIds {
  take(preferred?: number): number | undefined;
  release(segment: Segment): void;
}
