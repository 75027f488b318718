import type { Group, GroupMember, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { SpanChanges, SpanView } from "./span.ts";

/** What became of the published rows since the last flush. Views (`span`, `group`) show the state after it and are valid until the next change. */
export interface PolicyChanges {
  readonly policies: readonly PolicyChange[];
  readonly addressGroups: readonly AddressGroupChange[];
  readonly appliedToGroups: readonly AppliedToGroupChange[];
}

export interface PolicyChange extends SpanChanges {
  readonly name: string;
  readonly event: "created" | "changed" | "deleted";
  /** As it is now, or as it was when deleted. */
  readonly row: NetworkPolicy;
  /** False when only the span changed. */
  readonly contentChanged: boolean;
  readonly span: SpanView;
}

export interface MemberChanges {
  readonly added: readonly GroupMember[];
  readonly removed: readonly GroupMember[];
}

export interface AddressGroupChange extends SpanChanges, MemberChanges {
  readonly name: string;
  /** The name again, but for groups that users named. */
  readonly uid: string;
  readonly event: "created" | "changed" | "deleted";
  readonly span: SpanView;
  /** The whole group. */
  group(): Group;
}

export interface AppliedToGroupChange extends SpanChanges {
  readonly name: string;
  /** The name again, but for groups that users named. */
  readonly uid: string;
  readonly event: "created" | "changed" | "deleted";
  readonly span: SpanView;
  /** An agent sees only the members on its own node. Only for nodes that had the group before and still have it. */
  readonly byNode: ReadonlyMap<string, MemberChanges>;
  /** The same for those who see all nodes; a pod that moved is no change to them. */
  readonly everywhere: MemberChanges;
  /** The part on `node`, or the whole group. */
  group(node?: string): Group;
}
