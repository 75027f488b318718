import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { AddressGroup } from "./address-group.ts";
import type { Audience } from "./audience.ts";
import type { PolicyChange } from "./changes.ts";
import { type SpanView, unchanged } from "./span.ts";

/** One policy: its row, for whom it is, and the groups of peers it names. Its span is its audience's. */
export class PolicyEntry {
  readonly name: string;
  /** Undefined once deleted. */
  row: NetworkPolicy | undefined;
  /** The namespace whose switch decides whether its rules are logged. */
  loggingOf: string | undefined;
  audience: Audience | undefined;
  peers: readonly AddressGroup[] = [];
  /** Waiting for the next flush. */
  queued = false;
  private published: NetworkPolicy | undefined;
  private publishedFor: Audience | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Makes the groups it holds on to exactly these; no audience: none. */
  use(audience: Audience | undefined, peers: readonly AddressGroup[]): void {
    const { audience: former, peers: formerPeers } = this;
    this.audience = audience;
    this.peers = peers;
    if (former === audience) {
      const [is, was] = [new Set(peers), new Set(formerPeers)];
      if (audience === undefined) return;
      for (const group of peers) if (!was.has(group)) group.add(this, audience);
      for (const group of formerPeers) if (!is.has(group)) group.remove(this, audience);
      return;
    }
    if (audience !== undefined) {
      audience.policies.add(this);
      for (const group of peers) group.add(this, audience);
    }
    if (former === undefined) return;
    former.policies.delete(this);
    for (const group of formerPeers) group.remove(this, former);
    // Of a group that is held on to in another way now.
    if (audience !== undefined) for (const group of peers) group.policies.add(this);
  }

  /** To be called when the spans of all audiences are final. */
  publish(): PolicyChange | undefined {
    const { row, audience, published, publishedFor } = this;
    this.published = row;
    this.publishedFor = audience;
    if (row === undefined || audience === undefined) {
      if (published === undefined || publishedFor === undefined) return undefined;
      return new Change(this.name, published, "deleted", true, publishedFor.span, unchanged.gained, publishedFor.formerNodes());
    }
    if (published === undefined || publishedFor === undefined)
      return new Change(this.name, row, "created", true, audience.span, audience.nodes(), unchanged.lost);
    const { gained, lost } =
      audience === publishedFor
        ? audience.changes()
        : {
            gained: audience.nodes().filter((node) => !publishedFor.had(node)),
            lost: publishedFor.formerNodes().filter((node) => !audience.span.has(node)),
          };
    const contentChanged = published !== row && JSON.stringify(published) !== JSON.stringify(row);
    if (!contentChanged && gained.length === 0 && lost.length === 0) return undefined;
    return new Change(this.name, row, "changed", contentChanged, audience.span, gained, lost);
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
