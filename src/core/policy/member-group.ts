import type { Group, GroupMember } from "#core/api/controlplane/index.ts";
import type { Turnover } from "./members.ts";
import { NamedSource } from "./named-group.ts";
import type { Entity } from "./places.ts";
import type { EntityRow } from "./rows.ts";

/** What a group consists of, and what it is called. */
export interface GroupSource {
  readonly name: string;
  readonly uid: string;
  /** Whether the entity is of it as it is now. */
  contains(entity: Entity): boolean;
  /** Calls `visit` once for each of its entities. */
  eachEntity(visit: (entity: Entity) => void): void;
}

/**
 * What address groups and applied-to groups share. Members stand nowhere but in the inventory: a group knows what it consists of, and until the next flush
 * what became of its members.
 */
export abstract class MemberGroup {
  readonly source: GroupSource;
  /** Told to somebody. */
  published = false;
  /** Waiting for the next flush. */
  queued = false;
  /** In the list of all of its role. */
  place = 0;
  private turnovers: Turnover[] | undefined;

  constructor(source: GroupSource) {
    this.source = source;
  }

  get name(): string {
    return this.source.name;
  }

  get uid(): string {
    return this.source.uid;
  }

  /** Of a group that is published: `before` and `now` are the entity where a selector of the group meets it. */
  entityChanged(entity: Entity, before: EntityRow | undefined, now: EntityRow | undefined): void {
    if (this.source instanceof NamedSource) this.source.entityChanged(entity);
    else if (before !== now) {
      this.turnovers ??= [];
      this.turnovers.push({ before, now });
    }
  }

  /** All that is needed to know what changed in it, after the last change of the inventory before a flush. */
  protected takeTurnovers(): readonly Turnover[] {
    if (this.source instanceof NamedSource) return this.source.takeTurnovers();
    const turnovers = this.turnovers ?? noTurnovers;
    this.turnovers = undefined;
    return turnovers;
  }

  protected members(memberOf: (row: EntityRow) => GroupMember | undefined, among?: Iterable<Entity>): Group {
    const members: GroupMember[] = [];
    const add = ({ row }: Entity): void => {
      const member = memberOf(row);
      if (member !== undefined) members.push(member);
    };
    if (among === undefined) this.source.eachEntity(add);
    else for (const entity of among) if (this.source.contains(entity)) add(entity);
    return { name: this.name, uid: this.uid, members };
  }
}

const noTurnovers: readonly Turnover[] = Object.freeze([]);
