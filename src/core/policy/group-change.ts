import type { Group, GroupMember } from "#core/api/controlplane/index.ts";
import type { AddressGroupChange, AppliedToGroupChange, MemberChanges } from "./changes.ts";
import { noMemberChanges } from "./members.ts";
import { type SpanView, unchanged } from "./span.ts";

/** What is told of a new group: read off the group when somebody looks, as a first load makes one for each there is. */
export class CreatedGroup implements AddressGroupChange, AppliedToGroupChange {
  private readonly of: CreatedFrom;

  constructor(of: CreatedFrom) {
    this.of = of;
  }

  get event(): "created" {
    return "created";
  }

  get name(): string {
    return this.of.name;
  }

  get uid(): string {
    return this.of.uid;
  }

  get span(): SpanView {
    return this.of.span;
  }

  get gained(): readonly string[] {
    return this.of.nodes();
  }

  get lost(): readonly string[] {
    return unchanged.lost;
  }

  get added(): readonly GroupMember[] {
    return noMemberChanges.added;
  }

  get removed(): readonly GroupMember[] {
    return noMemberChanges.removed;
  }

  get byNode(): ReadonlyMap<string, MemberChanges> {
    return nobody;
  }

  get everywhere(): MemberChanges {
    return noMemberChanges;
  }

  group(node?: string): Group {
    return this.of.group(node);
  }
}

interface CreatedFrom {
  readonly name: string;
  readonly uid: string;
  readonly span: SpanView;
  nodes(): readonly string[];
  group(node?: string): Group;
}

const nobody: ReadonlyMap<string, MemberChanges> = new Map();
