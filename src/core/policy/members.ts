import type { GroupMember } from "#core/api/controlplane/index.ts";
import type { MemberChanges } from "./changes.ts";
import type { Inventory } from "./inventory.ts";
import type { Entity, LabelSet, Selector } from "./places.ts";
import { type EntityRow, sameContent } from "./rows.ts";

/** Calls `visit` once for each entity that one of `selectors` meets. */
export function eachEntity(inventory: Inventory, selectors: readonly Selector[], visit: (entity: Entity) => void): void {
  // A label set may meet several of them.
  const seen = selectors.length > 1 ? new Set<LabelSet>() : undefined;
  for (const selector of selectors)
    inventory.eachLabelSet(selector, (labelSet) => {
      if (seen?.has(labelSet)) return;
      seen?.add(labelSet);
      for (const entity of labelSet.entities) visit(entity);
    });
}

/** Whether one of `selectors` meets the entity as it is now. */
export function contains(selectors: readonly Selector[], entity: Entity): boolean {
  return !entity.gone && selectors.some((selector) => selector.matches(entity.labelSet));
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

/**
 * The entities of a group whose selectors may change, as they were told last: what became of the group cannot be read from what became of the
 * entities alone.
 */
export class ToldEntities {
  private readonly rows = new Map<Entity, EntityRow>();

  /** Compares with what `selectors` meet now: all entities, or those that are `touched`. From then on that is what was told. */
  turnovers(inventory: Inventory, selectors: readonly Selector[], touched: ReadonlySet<Entity> | undefined): Turnover[] {
    const turnovers: Turnover[] = [];
    const look = (entity: Entity, now: EntityRow | undefined): void => {
      const before = this.rows.get(entity);
      if (before === now) return;
      turnovers.push({ before, now });
      if (now === undefined) this.rows.delete(entity);
      else this.rows.set(entity, now);
    };
    for (const entity of touched ?? [...this.rows.keys()]) look(entity, contains(selectors, entity) ? entity.row : undefined);
    if (touched === undefined) eachEntity(inventory, selectors, (entity) => look(entity, entity.row));
    return turnovers;
  }
}
