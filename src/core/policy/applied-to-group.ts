import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { Audience, JointAudience } from "./audience.ts";
import type { AppliedToGroupChange, MemberChanges } from "./changes.ts";
import { Few } from "./few.ts";
import { CreatedGroup } from "./group-change.ts";
import type { Inventory } from "./inventory.ts";
import { type GroupSource, MemberGroup } from "./member-group.ts";
import { noMemberChanges, Turnovers } from "./members.ts";
import type { NodeEntry } from "./nodes.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { EntityRow } from "./rows.ts";
import { Span, type SpanChanges, type SpanView, unchanged } from "./span.ts";

/**
 * Subjects: to whom policies apply. An agent sees its own node's part only, which is found among what is on that node. It is the audience of policies that apply to
 * it alone.
 */
export class AppliedToGroup extends MemberGroup implements Audience {
  readonly policies = new Few<PolicyEntry>();
  /** Those it is part of together with other groups. */
  joint: Few<JointAudience> | undefined;
  private readonly inventory: Inventory;
  /** A member that is on every node and no entity: a Service by its node port. */
  private readonly everyNode: GroupMember | undefined;
  private ownSpan: Span | undefined;
  private moves: Moves | undefined;
  private cachedRows: readonly NetworkPolicy[] | undefined;

  constructor(inventory: Inventory, source: GroupSource, everyNode?: GroupMember) {
    super(source);
    this.inventory = inventory;
    this.everyNode = everyNode;
  }

  get used(): boolean {
    if (this.policies.size > 0) return true;
    for (const { policies } of this.joint ?? []) if (policies.size > 0) return true;
    return false;
  }

  get span(): Span {
    return this.ownSpan ?? nowhere;
  }

  /** Brings the span up to date. To be called in each flush before anything is published; true when the span may have changed. */
  update(): boolean {
    const turnovers = this.takeTurnovers();
    const { ownSpan: span } = this;
    if (span === undefined) {
      this.ownSpan = Span.of(this.nodesNow());
      return true;
    }
    if (turnovers.length > 0) this.moves ??= new Moves();
    for (const { before, now } of turnovers) this.moves?.note(before, now);
    if (turnovers.length > 0 && !span.counted) span.recount((reason) => this.eachSubjectNode(({ name }) => reason(name)));
    else
      for (const { before, now } of turnovers) {
        // The new reason first, so that an entity that only changed does not take its node out and in again.
        if (now?.isSubject && now.nodeName !== undefined) span.gain(now.nodeName);
        if (before?.isSubject && before.nodeName !== undefined) span.lose(before.nodeName);
      }
    return span.touched;
  }

  /** Of a group that is on every node: one came or went. */
  nodeChanged(node: string, isThere: boolean): void {
    if (isThere) this.ownSpan?.gain(node);
    else this.ownSpan?.lose(node);
  }

  nodes(): readonly string[] {
    return this.span.nodes();
  }

  changes(): SpanChanges {
    return this.span.changes();
  }

  had(node: string): boolean {
    return this.span.had(node);
  }

  formerNodes(): readonly string[] {
    return this.span.formerNodes();
  }

  group(node?: string): Group {
    if (this.everyNode !== undefined) return { name: this.name, uid: this.uid, members: [this.everyNode] };
    return this.members(subjectOf, node === undefined ? undefined : this.inventory.entitiesOn(node));
  }

  /** The policies for it. The list is never changed, only replaced. */
  rows(): readonly NetworkPolicy[] {
    this.cachedRows ??= [this, ...(this.joint ?? [])]
      .flatMap(({ policies }) => [...policies])
      .map(({ row }) => row)
      .filter((row) => row !== undefined);
    return this.cachedRows;
  }

  settle(): void {
    this.ownSpan?.settle();
    this.cachedRows = undefined;
  }

  publish(): AppliedToGroupChange | undefined {
    const { used, span } = this;
    const { byNode, everywhere } = this.moves ?? new Moves();
    this.moves = undefined;
    const before = this.published;
    this.published = used;
    if (!used) return before ? new Change(this, "deleted", { gained: unchanged.gained, lost: span.formerNodes() }) : undefined;
    if (!before) return new CreatedGroup(this);
    const changes = span.changes();
    if (byNode.size === 0 && changes.gained.length === 0 && changes.lost.length === 0) return undefined;
    // Those who gained the group get it whole; those who lost it need no members of it.
    const told = new Map([...byNode].filter(([node, { empty }]) => !empty && span.has(node) && span.had(node)));
    return new Change(this, "changed", changes, told, everywhere);
  }

  private nodesNow(): readonly string[] {
    if (this.everyNode !== undefined) return [...this.inventory.nodeEntities()].map(({ name }) => name);
    return this.inventory.nodes.namesOf((visit) => this.eachSubjectNode(visit));
  }

  /** The node of each of its subjects. */
  private eachSubjectNode(visit: (node: NodeEntry) => void): void {
    this.source.eachEntity(({ row, node }) => {
      if (node !== undefined && row.isSubject) visit(node);
    });
  }
}

/** Members as they came to and went from a group, and from its part on each node. */
class Moves {
  readonly everywhere = new Turnovers();
  readonly byNode = new Map<string, Turnovers>();

  note(before: EntityRow | undefined, now: EntityRow | undefined): void {
    const was = before?.subject();
    const is = now?.subject();
    this.everywhere.note(was, is);
    if (before?.nodeName === now?.nodeName) this.on(now?.nodeName)?.note(was, is);
    else {
      this.on(before?.nodeName)?.note(was, undefined);
      this.on(now?.nodeName)?.note(undefined, is);
    }
  }

  private on(node: string | undefined): Turnovers | undefined {
    if (node === undefined) return undefined;
    let turnovers = this.byNode.get(node);
    if (turnovers === undefined) {
      turnovers = new Turnovers();
      this.byNode.set(node, turnovers);
    }
    return turnovers;
  }
}

const subjectOf = (row: EntityRow): GroupMember | undefined => row.subject();
const nobody: ReadonlyMap<string, MemberChanges> = new Map();
/** Of a group before its first flush. */
const nowhere = Span.of([]);

class Change implements AppliedToGroupChange {
  readonly name: string;
  readonly uid: string;
  readonly span: SpanView;
  readonly event: AppliedToGroupChange["event"];
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  readonly byNode: ReadonlyMap<string, MemberChanges>;
  readonly everywhere: MemberChanges;
  private readonly of: AppliedToGroup;

  constructor(
    of: AppliedToGroup,
    event: AppliedToGroupChange["event"],
    { gained, lost }: SpanChanges,
    byNode: ReadonlyMap<string, MemberChanges> = nobody,
    everywhere: MemberChanges = noMemberChanges,
  ) {
    this.of = of;
    this.name = of.name;
    this.uid = of.uid;
    this.span = of.span;
    this.event = event;
    this.gained = gained;
    this.lost = lost;
    this.byNode = byNode;
    this.everywhere = everywhere;
  }

  group(node?: string): Group {
    return this.of.group(node);
  }
}
