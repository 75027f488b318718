import type { Group, GroupMember } from "#core/api/controlplane/index.ts";
import type { Inventory } from "./inventory.ts";
import { contains, eachEntity, ToldEntities, type Turnover } from "./members.ts";
import type { Entity, Selector } from "./places.ts";
import type { EntityRow } from "./rows.ts";

/** What a group consists of, and what it is called. */
export interface GroupContent {
  readonly name: string;
  readonly uid: string;
  /** Union. */
  readonly selectors: readonly Selector[];
  /** Whether the selectors may change while the group stays: groups that users named. */
  readonly named: boolean;
}

/**
 * What address groups and applied-to groups share. Members stand nowhere but in the inventory: a group holds its selectors, and until the next flush
 * what became of its members.
 */
export abstract class MemberGroup {
  readonly name: string;
  uid: string;
  selectors: readonly Selector[];
  /** Told to somebody. */
  published = false;
  /** Waiting for the next flush. */
  queued = false;
  protected readonly inventory: Inventory;
  private turnovers: Turnover[] | undefined;
  private readonly told: ToldEntities | undefined;
  private touched: Set<Entity> | undefined;
  private selectorsChanged: boolean;

  constructor(inventory: Inventory, { name, uid, selectors, named }: GroupContent) {
    this.inventory = inventory;
    this.name = name;
    this.uid = uid;
    this.selectors = selectors;
    this.told = named ? new ToldEntities() : undefined;
    this.selectorsChanged = named;
  }

  get named(): boolean {
    return this.told !== undefined;
  }

  setSelectors(selectors: readonly Selector[]): void {
    this.selectors = selectors;
    this.selectorsChanged = true;
  }

  /** Of a group that is published: `before` and `now` are the entity where a selector of the group meets it. */
  entityChanged(entity: Entity, before: EntityRow | undefined, now: EntityRow | undefined): void {
    if (this.told === undefined) {
      this.turnovers ??= [];
      this.turnovers.push({ before, now });
    } else {
      this.touched ??= new Set();
      this.touched.add(entity);
    }
  }

  /** All that is needed to know what changed in it, after the last change of the inventory before a flush. */
  protected takeTurnovers(): readonly Turnover[] {
    let turnovers = this.turnovers ?? noTurnovers;
    if (this.told !== undefined && (this.selectorsChanged || this.touched !== undefined))
      turnovers = this.told.turnovers(this.inventory, this.selectors, this.selectorsChanged ? undefined : this.touched);
    this.turnovers = undefined;
    this.touched = undefined;
    this.selectorsChanged = false;
    return turnovers;
  }

  contains(entity: Entity): boolean {
    return contains(this.selectors, entity);
  }

  protected eachEntity(visit: (entity: Entity) => void): void {
    eachEntity(this.inventory, this.selectors, visit);
  }

  protected members(memberOf: (row: EntityRow) => GroupMember | undefined, among?: Iterable<Entity>): Group {
    const members: GroupMember[] = [];
    const add = ({ row }: Entity): void => {
      const member = memberOf(row);
      if (member !== undefined) members.push(member);
    };
    if (among === undefined) this.eachEntity(add);
    else for (const entity of among) if (this.contains(entity)) add(entity);
    return { name: this.name, uid: this.uid, members };
  }
}

const noTurnovers: Turnover[] = [];
