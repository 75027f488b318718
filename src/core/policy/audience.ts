import type { AddressGroup } from "./address-group.ts";
import type { AppliedToGroup } from "./applied-to-group.ts";
import { Few } from "./few.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import { Span, type SpanChanges, type SpanView } from "./span.ts";

/**
 * One distinct list of applied-to groups: for whom policies are. All policies for the same audience have the same span, which is that of its groups
 * together; nearly always there is one group, whose span it is.
 */
export class Audience {
  readonly groups: readonly AppliedToGroup[];
  readonly key: string;
  readonly policies = new Few<PolicyEntry>();
  /** Address groups that its policies use. */
  readonly peers = new Few<AddressGroup>();
  private readonly own: Span | undefined;
  private fresh = true;
  /** Whether it is to be looked at in the next flush. */
  queued = false;

  constructor(groups: readonly AppliedToGroup[], key: string) {
    this.groups = groups;
    this.key = key;
    this.own = groups.length === 1 ? undefined : new Span();
    for (const group of groups) group.audiences.add(this);
  }

  get span(): SpanView {
    return this.spanOf();
  }

  /** Takes in what became of its groups' spans. Called once a flush, when those are final; true when its own span changed. */
  update(): boolean {
    const { own } = this;
    if (own !== undefined) {
      for (const group of this.groups) {
        const { gained, lost } = this.fresh ? { gained: group.span.nodes(), lost: [] } : group.span.changes();
        for (const node of gained) own.gain(node);
        for (const node of lost) own.lose(node);
      }
    }
    return this.spanOf().touched;
  }

  /** Since the last flush. */
  changes(): SpanChanges {
    return this.spanOf().changes();
  }

  had(node: string): boolean {
    return this.spanOf().had(node);
  }

  formerNodes(): readonly string[] {
    return this.spanOf().formerNodes();
  }

  nodes(): readonly string[] {
    return this.spanOf().nodes();
  }

  settle(): void {
    this.fresh = false;
    this.own?.settle();
  }

  private spanOf(): Span {
    return this.own ?? (this.groups[0] as AppliedToGroup).span;
  }
}
