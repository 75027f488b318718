import type { GroupMember } from "#core/api/controlplane/index.ts";
import type { MemberChanges } from "./changes.ts";
import type { Entity, LabelSet, Selector } from "./places.ts";
import { type EntityRow, sameContent } from "./rows.ts";

/** Calls `visit` once for each entity that one of `selectors` meets. */
export function eachEntity(selectors: readonly Selector[], visit: (entity: Entity) => void): void {
  const [only] = selectors;
  if (only !== undefined && selectors.length === 1) {
    only.eachEntity(visit);
    return;
  }
  // A label set may meet several of them.
  const seen = new Set<LabelSet>();
  for (const selector of selectors)
    selector.eachLabelSet((labelSet) => {
      if (seen.has(labelSet)) return;
      seen.add(labelSet);
      for (const entity of labelSet.entities.items) visit(entity);
    });
}

/** What became of one entity in a group since the last flush; undefined: it was not, or is not, of the group. */
export interface Turnover {
  readonly before: EntityRow | undefined;
  readonly now: EntityRow | undefined;
}

/** Members as they come and go. */
export class Turnovers implements MemberChanges {
  readonly added: GroupMember[] = [];
  readonly removed: GroupMember[] = [];

  note(before: GroupMember | undefined, now: GroupMember | undefined): void {
    if (sameContent(before, now)) return;
    if (before !== undefined) this.removed.push(before);
    if (now !== undefined) this.added.push(now);
  }

  get empty(): boolean {
    return this.added.length === 0 && this.removed.length === 0;
  }
}

export const noMemberChanges: MemberChanges = Object.freeze({ added: Object.freeze([]), removed: Object.freeze([]) });
