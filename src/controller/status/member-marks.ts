import type { ComputedRevisions, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { PolicyChanges } from "#core/policy/index.ts";

/** The publication that changed the members of a group last. */
export interface MemberMark {
  /** A publication contains those before it: of two marks the one with the larger number is the later. */
  readonly number: number;
  /** What contains this has the members; undefined until the versions of all that was published are known. */
  readonly computed: ComputedRevisions | undefined;
}

interface OpenMark extends MemberMark {
  computed: ComputedRevisions | undefined;
}

/** Up to where a node has to have come, to have the members of the groups of a policy. */
export class MemberMarks {
  private readonly ofPeers = new Map<string, OpenMark>();
  /** By group and node: a node hears of the subjects on it alone. */
  private readonly ofSubjects = new Map<string, Map<string, OpenMark>>();
  private open: OpenMark[] = [];
  private waiting: (() => void)[] = [];
  private number = 0;

  /**
   * To be called with every change that was published. `computed`: how far things are computed with it; undefined while the version of a part of it is not known, as
   * that of a deletion, which comes behind it. Tells the nodes where members changed that were there before, with their mark.
   */
  published(changes: PolicyChanges, computed: ComputedRevisions | undefined): ReadonlyMap<string, MemberMark> {
    const mark: OpenMark = { number: ++this.number, computed };
    const nodes = new Map<string, MemberMark>();
    for (const { name, event, added, removed, span } of changes.addressGroups) {
      if (event === "deleted") this.ofPeers.delete(name);
      if (event === "created") this.ofPeers.set(name, mark);
      if (event !== "changed" || added.length + removed.length === 0) continue;
      this.ofPeers.set(name, mark);
      for (const node of span.nodes()) nodes.set(node, mark);
    }
    for (const { name, event, byNode, gained, lost } of changes.appliedToGroups) {
      if (event === "deleted") {
        this.ofSubjects.delete(name);
        continue;
      }
      for (const node of [...byNode.keys(), ...gained, ...lost]) {
        this.marksOfSubjects(name).set(node, mark);
        if (event === "changed") nodes.set(node, mark);
      }
    }
    if (computed === undefined) this.open.push(mark);
    else {
      for (const each of this.open.splice(0)) each.computed = computed;
      for (const resolve of this.waiting.splice(0)) resolve();
    }
    return nodes;
  }

  /** By node, the latest of the groups of `policy`, as far as they concern the node. */
  of(policy: NetworkPolicy): (node: string) => MemberMark | undefined {
    const { rules } = policy;
    const peers = latest(rules.flatMap(({ peer }) => peer.addressGroups.map((group) => this.ofPeers.get(group))));
    const names = new Set([...policy.appliedToGroups, ...rules.flatMap((rule) => rule.appliedToGroups)]);
    const subjects = [...names].map((group) => this.ofSubjects.get(group)).filter((marks) => marks !== undefined);
    return (node) => latest([peers, ...subjects.map((marks) => marks.get(node))]);
  }

  /** Resolves when all marks say what they need. */
  whenKnown(): Promise<void> {
    return this.open.length === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The node is gone. */
  forget(node: string): void {
    for (const marks of this.ofSubjects.values()) marks.delete(node);
  }

  private marksOfSubjects(group: string): Map<string, OpenMark> {
    const found = this.ofSubjects.get(group) ?? new Map<string, OpenMark>();
    this.ofSubjects.set(group, found);
    return found;
  }
}

const latest = (marks: readonly (MemberMark | undefined)[]): MemberMark | undefined =>
  marks.reduce((one, other) => (other !== undefined && other.number > (one?.number ?? 0) ? other : one), undefined);
