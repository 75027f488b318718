import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { Audience } from "./audience.ts";
import type { AddressGroupChange, MemberChanges } from "./changes.ts";
import { Few } from "./few.ts";
import { MemberGroup } from "./member-group.ts";
import { noMemberChanges, Turnovers } from "./members.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import type { EntityRow } from "./rows.ts";
import { Span, type SpanChanges, type SpanView, unchanged } from "./span.ts";
import { Tally } from "./tally.ts";

/**
 * Peers of rules. It is needed wherever policies that use it are: its span is that of their audiences together, and as long as there was never more than one
 * audience, that one's own.
 */
export class AddressGroup extends MemberGroup {
  readonly policies = new Few<PolicyEntry>();
  /** By audience, one reason for each policy. */
  private readonly audiences = new Tally<Audience>();
  private alias: Audience | undefined;
  /** One reason for each audience on a node. */
  private own: Span | undefined;
  /** Audiences that came or went since the last flush: whether they were there. */
  private former: Map<Audience, boolean> | undefined;
  /** Audiences whose span changed. */
  private moved: Audience[] | undefined;
  private cachedRows: readonly NetworkPolicy[] | undefined;

  get used(): boolean {
    return this.audiences.size > 0;
  }

  get span(): SpanView {
    return this.own ?? (this.alias as Audience).span;
  }

  add(policy: PolicyEntry, audience: Audience): void {
    this.policies.add(policy);
    if (!this.audiences.add(audience)) return;
    audience.peers.add(this);
    if (this.published) this.rememberFormer(audience, false);
  }

  remove(policy: PolicyEntry, audience: Audience): void {
    this.policies.delete(policy);
    if (!this.audiences.delete(audience)) return;
    audience.peers.delete(this);
    if (this.published) this.rememberFormer(audience, true);
  }

  audienceMoved(audience: Audience): void {
    this.moved ??= [];
    this.moved.push(audience);
  }

  group(): Group {
    return this.members(peerOf);
  }

  /** The policies that name it. The list is never changed, only replaced. */
  rows(): readonly NetworkPolicy[] {
    this.cachedRows ??= [...this.policies].map(({ row }) => row).filter((row) => row !== undefined);
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
    this.former = undefined;
    this.moved = undefined;
  }

  private publishFirst(): AddressGroupChange {
    const [audience] = this.audiences.items;
    this.alias = this.audiences.size === 1 ? audience : undefined;
    this.own = undefined;
    if (this.alias === undefined) {
      this.own = new Span();
      for (const each of this.audiences.items) for (const node of each.nodes()) this.own.gain(node);
    }
    return new Change(this, "created", this.own?.nodes() ?? (this.alias as Audience).nodes(), unchanged.lost);
  }

  private formerNodes(): readonly string[] {
    return (this.own ?? (this.alias as Audience)).formerNodes();
  }

  private updateSpan(): SpanChanges {
    if (this.own === undefined) {
      if (this.former === undefined) return (this.alias as Audience).changes();
      this.own = new Span(this.formerNodes());
    }
    const { own, former } = this;
    for (const audience of this.moved ?? []) {
      if (former?.has(audience)) continue;
      const { gained, lost } = audience.changes();
      for (const node of gained) own.gain(node);
      for (const node of lost) own.lose(node);
    }
    for (const [audience, was] of former ?? []) {
      const is = this.audiences.has(audience);
      // What it holds now comes before what it held, so that nodes in both do not go out and in again.
      if (is) for (const node of audience.nodes()) own.gain(node);
      if (was) for (const node of audience.formerNodes()) own.lose(node);
    }
    return own.changes();
  }

  private rememberFormer(audience: Audience, was: boolean): void {
    this.former ??= new Map();
    if (!this.former.has(audience)) this.former.set(audience, was);
  }
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
