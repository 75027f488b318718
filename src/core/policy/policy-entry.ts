import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { AddressGroup } from "./address-group.ts";
import { AppliedToGroup } from "./applied-to-group.ts";
import type { Audience } from "./audience.ts";
import type { PolicyChange } from "./changes.ts";
import type { LoweredPolicy, PolicySource } from "./lowered-policy.ts";
import type { NamespaceEntry } from "./places.ts";
import { policyRow } from "./policy-row.ts";
import { type SpanView, unchanged } from "./span.ts";

/** What a policy says, for whom it is, and the groups of peers it names. Its row is made of that when somebody reads it. */
export class PolicyContent {
  readonly source: LoweredPolicy | PolicySource;
  readonly isLogged: boolean;
  readonly isRefusing: boolean;
  readonly audience: Audience;
  /** In the order in which it names them. */
  readonly peers: readonly AddressGroup[];
  /** The same of its subjects; absent when they are the audience alone. */
  private readonly subjects: readonly AppliedToGroup[] | undefined;

  constructor(
    own: Pick<PolicyContent, "source" | "isLogged" | "isRefusing" | "audience" | "peers"> & {
      readonly subjects: readonly AppliedToGroup[];
    },
  ) {
    this.source = own.source;
    this.isLogged = own.isLogged;
    this.isRefusing = own.isRefusing;
    this.audience = own.audience;
    this.peers = own.peers;
    this.subjects = own.subjects.length === 1 && own.subjects[0] === own.audience ? undefined : own.subjects;
  }

  get row(): NetworkPolicy {
    const { source, isLogged, isRefusing, peers } = this;
    return policyRow("lower" in source ? source.lower() : source, { subjects: this.groups(), peers, isLogged, isRefusing });
  }

  switched(switches: { readonly isLogged: boolean; readonly isRefusing: boolean }): PolicyContent {
    return new PolicyContent({ ...this, ...switches, subjects: this.groups() });
  }

  private groups(): readonly AppliedToGroup[] {
    if (this.subjects !== undefined) return this.subjects;
    return this.audience instanceof AppliedToGroup ? [this.audience] : [];
  }
}

/** One policy. Its span is its audience's. */
export class PolicyEntry {
  readonly uid: string;
  /** Of its source. */
  readonly name: string;
  /** The namespace whose switch decides whether its rules are logged. */
  readonly home: NamespaceEntry | undefined;
  /** Undefined once deleted. */
  now: PolicyContent | undefined;
  /** Waiting for the next flush. */
  queued = false;
  placeInTable = 0;
  private published: PolicyContent | undefined;

  constructor(uid: string, name: string, home: NamespaceEntry | undefined) {
    this.uid = uid;
    this.name = name;
    this.home = home;
  }

  get row(): NetworkPolicy | undefined {
    return this.now?.row;
  }

  /** Makes it say this from now on, and holds on to exactly the groups of that; undefined: it is gone. */
  use(now: PolicyContent | undefined): void {
    const former = this.now;
    this.now = now;
    // What it holds on to now comes before what it held on to: groups in both are never let go.
    if (now !== undefined) {
      if (now.audience !== former?.audience) now.audience.policies.add(this);
      for (const group of now.peers) group.add(now.audience);
    }
    if (former !== undefined) {
      if (now?.audience !== former.audience) former.audience.policies.delete(this);
      for (const group of former.peers) group.remove(former.audience);
    }
  }

  /** To be called when the spans of all audiences are final. */
  publish(): PolicyChange | undefined {
    const { now, published } = this;
    this.published = now;
    if (now === undefined) {
      if (published === undefined) return undefined;
      const { row, audience } = published;
      return new Change(this.uid, row, "deleted", true, audience.span, unchanged.gained, audience.formerNodes());
    }
    if (published === undefined) return new Created(this.uid, now);
    const { gained, lost } = now.audience === published.audience ? now.audience.changes() : moved(published.audience, now.audience);
    const contentChanged = published !== now && JSON.stringify(published.row) !== JSON.stringify(now.row);
    if (!contentChanged && gained.length === 0 && lost.length === 0) return undefined;
    return new Change(this.uid, now.row, "changed", contentChanged, now.audience.span, gained, lost);
  }
}

const moved = (from: Audience, to: Audience) => ({
  gained: to.nodes().filter((node) => !from.had(node)),
  lost: from.formerNodes().filter((node) => !to.span.has(node)),
});

/** What is told of a new policy: made when somebody looks, as a first load makes one for each there is. */
class Created implements PolicyChange {
  readonly name: string;
  private readonly content: PolicyContent;

  constructor(name: string, content: PolicyContent) {
    this.name = name;
    this.content = content;
  }

  get row(): NetworkPolicy {
    return this.content.row;
  }

  get event(): "created" {
    return "created";
  }

  get contentChanged(): boolean {
    return true;
  }

  get span(): SpanView {
    return this.content.audience.span;
  }

  get gained(): readonly string[] {
    return this.content.audience.nodes();
  }

  get lost(): readonly string[] {
    return unchanged.lost;
  }
}

class Change implements PolicyChange {
  readonly name: string;
  readonly row: NetworkPolicy;
  readonly event: PolicyChange["event"];
  readonly contentChanged: boolean;
  readonly span: SpanView;
  readonly gained: readonly string[];
  readonly lost: readonly string[];

  constructor(
    name: string,
    row: NetworkPolicy,
    event: PolicyChange["event"],
    contentChanged: boolean,
    span: SpanView,
    gained: readonly string[],
    lost: readonly string[],
  ) {
    this.name = name;
    this.row = row;
    this.event = event;
    this.contentChanged = contentChanged;
    this.span = span;
    this.gained = gained;
    this.lost = lost;
  }
}
