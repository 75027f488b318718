import type { GroupSource } from "./member-group.ts";
import { eachEntity, type Turnover } from "./members.ts";
import type { Entity, Selector } from "./places.ts";
import type { EntityRow } from "./rows.ts";

/**
 * A group that users named, in one of its roles. Its selectors may change while it stays, so that what became of it cannot be read from what became of the
 * entities alone: they are remembered as they were told last.
 */
export class NamedSource implements GroupSource {
  readonly name: string;
  uid: string;
  selectors: readonly Selector[];
  private readonly told = new Map<Entity, EntityRow>();
  private touched: Set<Entity> | undefined;
  private selectorsChanged = true;

  constructor(own: Pick<NamedSource, "name" | "uid" | "selectors">) {
    this.name = own.name;
    this.uid = own.uid;
    this.selectors = own.selectors;
  }

  contains(entity: Entity): boolean {
    return this.selectors.some((selector) => selector.contains(entity));
  }

  eachEntity(visit: (entity: Entity) => void): void {
    eachEntity(this.selectors, visit);
  }

  change({ uid, selectors }: Pick<NamedSource, "uid" | "selectors">): void {
    this.uid = uid;
    this.selectors = selectors;
    this.selectorsChanged = true;
  }

  entityChanged(entity: Entity): void {
    this.touched ??= new Set();
    this.touched.add(entity);
  }

  /** How its entities differ from those told last. From then on that is what was told. */
  takeTurnovers(): readonly Turnover[] {
    const { touched, selectorsChanged } = this;
    this.touched = undefined;
    this.selectorsChanged = false;
    const turnovers: Turnover[] = [];
    const look = (entity: Entity, now: EntityRow | undefined): void => {
      const before = this.told.get(entity);
      if (before === now) return;
      turnovers.push({ before, now });
      if (now === undefined) this.told.delete(entity);
      else this.told.set(entity, now);
    };
    for (const entity of selectorsChanged ? [...this.told.keys()] : (touched ?? []))
      look(entity, this.contains(entity) ? entity.row : undefined);
    if (selectorsChanged) this.eachEntity((entity) => look(entity, entity.row));
    return turnovers;
  }
}
