import type { AppliedToGroup } from "./applied-to-group.ts";
import { Few } from "./few.ts";
import type { PolicyEntry } from "./policy-entry.ts";
import { Span, type SpanChanges, type SpanView } from "./span.ts";

/**
 * For whom policies are. All policies for the same audience have the same span. Nearly always it is one applied-to group, which is its own audience; a policy
 * for several has a {@link JointAudience}.
 */
export interface Audience {
  readonly policies: Few<PolicyEntry>;
  readonly span: SpanView;
  nodes(): readonly string[];
  /** Since the last flush. */
  changes(): SpanChanges;
  had(node: string): boolean;
  formerNodes(): readonly string[];
}

/** One distinct list of several applied-to groups, or of none. Its span is that of its groups together. */
export class JointAudience implements Audience {
  readonly groups: readonly AppliedToGroup[];
  readonly key: string;
  readonly policies = new Few<PolicyEntry>();
  /** Whether it is to be looked at in the next flush. */
  queued = false;
  private own = Span.of([]);
  private fresh = true;

  constructor(groups: readonly AppliedToGroup[], key: string) {
    this.groups = groups;
    this.key = key;
    for (const group of groups) {
      group.joint ??= new Few();
      group.joint.add(this);
    }
  }

  get span(): SpanView {
    return this.own;
  }

  /** Takes in what became of its groups' spans. Called once a flush, when those are final; true when its own span changed. */
  update(): boolean {
    const { own } = this;
    if (this.fresh) this.own = Span.of([...new Set(this.groups.flatMap((group) => group.nodes()))]);
    else if (!own.counted) {
      own.recount((reason) => {
        for (const group of this.groups) for (const node of group.nodes()) reason(node);
      });
    } else {
      for (const group of this.groups) {
        const { gained, lost } = group.changes();
        for (const node of gained) own.gain(node);
        for (const node of lost) own.lose(node);
      }
    }
    return this.own.touched;
  }

  nodes(): readonly string[] {
    return this.own.nodes();
  }

  changes(): SpanChanges {
    return this.own.changes();
  }

  had(node: string): boolean {
    return this.own.had(node);
  }

  formerNodes(): readonly string[] {
    return this.own.formerNodes();
  }

  settle(): void {
    this.fresh = false;
    this.own.settle();
  }
}
