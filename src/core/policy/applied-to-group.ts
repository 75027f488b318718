import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { Audience } from "./audience.ts";
import type { AppliedToGroupChange, MemberChanges } from "./changes.ts";
import { Few } from "./few.ts";
import type { Inventory } from "./inventory.ts";
import { type GroupContent, MemberGroup } from "./member-group.ts";
import { noMemberChanges, Turnovers } from "./members.ts";
import type { EntityRow } from "./rows.ts";
import { Span, type SpanView, unchanged } from "./span.ts";

/** Subjects: to whom policies apply. An agent sees its own node's part only, which is found among what is on that node. */
export class AppliedToGroup extends MemberGroup {
  readonly audiences = new Few<Audience>();
  /** One reason for each member on a node. */
  readonly span = new Span();
  /** The audience of policies for this group alone. */
  alone: Audience | undefined;
  /** A member that is on every node and no entity: a Service by its node port. */
  private readonly everyNode: GroupMember | undefined;
  private started = false;
  private byNode: Map<string, Turnovers> | undefined;
  private everywhere: Turnovers | undefined;
  private cachedRows: readonly NetworkPolicy[] | undefined;

  constructor(inventory: Inventory, content: GroupContent, everyNode?: GroupMember) {
    super(inventory, content);
    this.everyNode = everyNode;
  }

  get used(): boolean {
    for (const { policies } of this.audiences) if (policies.size > 0) return true;
    return false;
  }

  /** Brings the span up to date. To be called in each flush before anything is published. */
  update(): void {
    const turnovers = this.takeTurnovers();
    if (!this.started) {
      this.started = true;
      if (this.everyNode !== undefined) for (const { row } of this.inventory.entitiesOf("Node")) this.span.gain(row.key);
      this.eachEntity(({ row }) => {
        if (row.isSubject && row.nodeName !== undefined) this.span.gain(row.nodeName);
      });
      return;
    }
    for (const { before, now } of turnovers) {
      // The new reason first, so that an entity that only changed does not take its node out and in again.
      if (now?.isSubject && now.nodeName !== undefined) this.span.gain(now.nodeName);
      if (before?.isSubject && before.nodeName !== undefined) this.span.lose(before.nodeName);
      this.note(before, now);
    }
  }

  /** Of a group that is on every node: one came or went. */
  nodeChanged(node: string, isThere: boolean): void {
    if (!this.started) return;
    if (isThere) this.span.gain(node);
    else this.span.lose(node);
  }

  group(node?: string): Group {
    if (this.everyNode !== undefined) return { name: this.name, uid: this.uid, members: [this.everyNode] };
    return this.members(subjectOf, node === undefined ? undefined : this.inventory.entitiesOn(node));
  }

  /** The policies for it. The list is never changed, only replaced. */
  rows(): readonly NetworkPolicy[] {
    this.cachedRows ??= [...this.audiences]
      .flatMap(({ policies }) => [...policies])
      .map(({ row }) => row)
      .filter((row) => row !== undefined);
    return this.cachedRows;
  }

  settle(): void {
    this.span.settle();
    this.cachedRows = undefined;
  }

  publish(): AppliedToGroupChange | undefined {
    const { used, span } = this;
    const { byNode = new Map<string, Turnovers>(), everywhere = noMemberChanges } = this;
    this.byNode = undefined;
    this.everywhere = undefined;
    const before = this.published;
    this.published = used;
    if (!used) return before ? new Change(this, "deleted", unchanged.gained, span.formerNodes()) : undefined;
    if (!before) return new Change(this, "created", span.nodes(), unchanged.lost);
    const { gained, lost } = span.changes();
    if (byNode.size === 0 && gained.length === 0 && lost.length === 0) return undefined;
    // Those who gained the group get it whole; those who lost it need no members of it.
    const told = new Map([...byNode].filter(([node, { empty }]) => !empty && span.has(node) && span.had(node)));
    return new Change(this, "changed", gained, lost, told, everywhere);
  }

  private note(before: EntityRow | undefined, now: EntityRow | undefined): void {
    const was = before?.subject();
    const is = now?.subject();
    this.everywhere ??= new Turnovers();
    this.everywhere.note(was, is);
    if (before?.nodeName === now?.nodeName) this.on(now?.nodeName)?.note(was, is);
    else {
      this.on(before?.nodeName)?.note(was, undefined);
      this.on(now?.nodeName)?.note(undefined, is);
    }
  }

  private on(node: string | undefined): Turnovers | undefined {
    if (node === undefined) return undefined;
    this.byNode ??= new Map();
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
    gained: readonly string[],
    lost: readonly string[],
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
