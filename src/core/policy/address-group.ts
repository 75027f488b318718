import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { Audience } from "./audience.ts";
import type { AddressGroupChange, MemberChanges } from "./changes.ts";
import { CreatedGroup } from "./group-change.ts";
import { MemberGroup } from "./member-group.ts";
import { noMemberChanges, Turnovers } from "./members.ts";
import type { EntityRow } from "./rows.ts";
import { Span, type SpanChanges, type SpanView, unchanged } from "./span.ts";
import { Tally } from "./tally.ts";

/**
 * Peers of rules. It is needed wherever policies that use it are: its span is that of their audiences together, and as long as there was never more than one
 * audience, that one's own.
 */
export class AddressGroup extends MemberGroup {
  /** One reason for each time that a policy for them names the group. */
  private readonly audiences = new Tally<Audience>();
  private alias: Audience | undefined;
  /** One reason for each audience on a node. */
  private own: Span | undefined;
  private pending: Pending | undefined;
  private cachedRows: readonly NetworkPolicy[] | undefined;

  get used(): boolean {
    return this.audiences.size > 0;
  }

  get span(): SpanView {
    return this.own ?? (this.alias as Audience).span;
  }

  /** A policy for `audience` names it. */
  add(audience: Audience): void {
    if (this.audiences.add(audience) && this.published) this.rememberFormer(audience, false);
  }

  /** A policy for `audience` names it no more. */
  remove(audience: Audience): void {
    if (this.audiences.delete(audience) && this.published) this.rememberFormer(audience, true);
  }

  /** The span of an audience changed. May be told several times, but not of others in between. */
  audienceMoved(audience: Audience): void {
    this.pending ??= new Pending();
    const { moved } = this.pending;
    if (moved.at(-1) !== audience) moved.push(audience);
  }

  nodes(): readonly string[] {
    return (this.own ?? (this.alias as Audience)).nodes();
  }

  group(): Group {
    return this.members(peerOf);
  }

  /** The policies that name it. The list is never changed, only replaced. */
  rows(): readonly NetworkPolicy[] {
    this.cachedRows ??= [...this.audiences]
      .flatMap(({ policies }) => [...policies])
      .filter((policy) => policy.now?.peers.includes(this))
      .map(({ row }) => row)
      .filter((row) => row !== undefined);
    return this.cachedRows;
  }

  /** To be called when the spans of all audiences are final. */
  publish(): AddressGroupChange | undefined {
    const { used, published } = this;
    const turnovers = this.takeTurnovers();
    this.published = used;
    if (!used && !published) return undefined;
    if (!published) return this.publishFirst();
    if (!used) return new Change(this, "deleted", unchanged.gained, this.formerNodes());
    const { gained, lost } = this.updateSpan();
    const members = new Turnovers();
    for (const { before, now } of turnovers) members.note(before?.peer(), now?.peer());
    if (members.empty && gained.length === 0 && lost.length === 0) return undefined;
    return new Change(this, "changed", gained, lost, members);
  }

  settle(): void {
    this.own?.settle();
    this.cachedRows = undefined;
    this.pending = undefined;
  }

  private publishFirst(): AddressGroupChange {
    const [audience, another] = this.audiences;
    this.alias = another === undefined ? audience : undefined;
    this.own = this.alias === undefined ? Span.of([...new Set([...this.audiences].flatMap((each) => each.nodes()))]) : undefined;
    return new CreatedGroup(this);
  }

  private formerNodes(): readonly string[] {
    return (this.own ?? (this.alias as Audience)).formerNodes();
  }

  private updateSpan(): SpanChanges {
    const { pending } = this;
    if (this.own === undefined) {
      if (pending === undefined || pending.former.size === 0) return (this.alias as Audience).changes();
      this.own = Span.from(this.formerNodes());
    }
    const { own } = this;
    if (pending === undefined) return own.changes();
    if (!own.counted) {
      own.recount((reason) => {
        for (const audience of this.audiences) for (const node of audience.nodes()) reason(node);
      });
      return own.changes();
    }
    for (const audience of pending.moved) {
      if (pending.former.has(audience)) continue;
      const { gained, lost } = audience.changes();
      for (const node of gained) own.gain(node);
      for (const node of lost) own.lose(node);
    }
    for (const [audience, was] of pending.former) {
      // What it holds now comes before what it held, so that nodes in both do not go out and in again.
      if (this.audiences.has(audience)) for (const node of audience.nodes()) own.gain(node);
      if (was) for (const node of audience.formerNodes()) own.lose(node);
    }
    return own.changes();
  }

  private rememberFormer(audience: Audience, was: boolean): void {
    this.pending ??= new Pending();
    const { former } = this.pending;
    if (!former.has(audience)) former.set(audience, was);
  }
}

/** What became of the audiences of a group since the last flush. */
class Pending {
  /** Those that came or went: whether they were there. */
  readonly former = new Map<Audience, boolean>();
  /** Those whose span changed. */
  readonly moved: Audience[] = [];
}

const peerOf = (row: EntityRow): GroupMember | undefined => row.peer();

class Change implements AddressGroupChange {
  readonly name: string;
  readonly uid: string;
  readonly event: AddressGroupChange["event"];
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  readonly added: readonly GroupMember[];
  readonly removed: readonly GroupMember[];
  readonly span: SpanView;
  private readonly of: AddressGroup;

  constructor(
    of: AddressGroup,
    event: AddressGroupChange["event"],
    gained: readonly string[],
    lost: readonly string[],
    members: MemberChanges = noMemberChanges,
  ) {
    this.of = of;
    this.name = of.name;
    this.uid = of.uid;
    this.event = event;
    this.gained = gained;
    this.lost = lost;
    this.added = members.added;
    this.removed = members.removed;
    this.span = of.span;
  }

  group(): Group {
    return this.of.group();
  }
}
