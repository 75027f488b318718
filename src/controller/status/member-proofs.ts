import {
  type ComputedRevisions,
  decodeComputedRevisions,
  isBefore,
  lackOf,
  type NetworkPolicy,
  type Told,
} from "#core/api/controlplane/index.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import type { MemberMark, MemberMarks } from "./member-marks.ts";

/**
 * How long condition `Enforced` stands while a node has not proven members that joined or left. Three times what a node needs that is well: with less, each change of a
 * pod would be two writes of each policy that knows it.
 */
export const membersWithin: Duration = seconds(5);
/** Nodes that told something and are not known to exist: a Node may be heard of later. */
const unknownAtMost = 1_000;

interface Lag {
  /** The latest that it has to have. */
  due: MemberMark;
  since: number;
}

/** What nodes have proven of the members of groups, and who is late with it. */
export class MemberProofs {
  private readonly marks: MemberMarks;
  private readonly isKnown: (node: string) => boolean;
  private readonly proven = new Map<string, ComputedRevisions>();
  /** When each node said what is proven. */
  private readonly told = new Map<string, Told>();
  private readonly lagging = new Map<string, Lag>();

  constructor(options: { readonly marks: MemberMarks; readonly isKnown: (node: string) => boolean }) {
    this.marks = options.marks;
    this.isKnown = options.isKnown;
  }

  /**
   * A node says what was in its switch when it was read back last. What it `told` before what is known, and comes after it, says nothing. Total: what cannot be read
   * says nothing.
   */
  take(node: string, computed: unknown, at: number, told?: Told): void {
    if (typeof computed !== "string") return;
    const decoded = decodeComputedRevisions(computed);
    if (!decoded.ok || (!this.proven.has(node) && !this.isKnown(node) && this.proven.size >= unknownAtMost)) return;
    if (isBefore(told, this.told.get(node))) return;
    if (told !== undefined) this.told.set(node, told);
    this.proven.set(node, decoded.value);
    const lag = this.lagging.get(node);
    if (lag === undefined) return;
    if (contains(decoded.value, lag.due.computed)) this.lagging.delete(node);
    // It goes on: where members change all the time it never has the latest.
    else lag.since = at;
  }

  /** Members changed for these nodes. */
  changed(nodes: ReadonlyMap<string, MemberMark>, at: number): void {
    for (const [node, due] of nodes) {
      if (!this.proven.has(node)) continue;
      const lag = this.lagging.get(node);
      if (lag === undefined) this.lagging.set(node, { due, since: at });
      else lag.due = due;
    }
  }

  forget(node: string): void {
    this.proven.delete(node);
    this.told.delete(node);
    this.lagging.delete(node);
    this.marks.forget(node);
  }

  /** By node, whether it has proven the present members of the groups of `policy`, or those of `asOf`; undefined for nodes that do not tell. */
  of(policy: NetworkPolicy, asOf?: ComputedRevisions): (node: string) => boolean | undefined {
    const markOf = this.marks.of(policy);
    return (node) => {
      const proven = this.proven.get(node);
      if (proven === undefined) return undefined;
      const mark = markOf(node);
      return mark === undefined || contains(proven, mark.computed) || (asOf !== undefined && contains(proven, asOf));
    };
  }

  /** The latest mark of any of `nodes`; undefined when nothing changed since the start. To be asked when the marks are known. */
  asOf(policy: NetworkPolicy, nodes: Iterable<string>): ComputedRevisions | undefined {
    const markOf = this.marks.of(policy);
    let latest: MemberMark | undefined;
    for (const node of nodes) {
      const mark = markOf(node);
      if (mark !== undefined && mark.number > (latest?.number ?? 0)) latest = mark;
    }
    return latest?.computed;
  }

  /** Whether somebody may become late. */
  get isWaiting(): boolean {
    return this.lagging.size > 0;
  }

  /** Nodes that have not proven members, and told of nothing, for {@link membersWithin}. */
  late(now: number): ReadonlySet<string> {
    return new Set([...this.lagging].filter(([, { since }]) => now - since >= membersWithin).map(([node]) => node));
  }
}

const contains = (proven: ComputedRevisions, mark: ComputedRevisions | undefined): boolean =>
  mark !== undefined && mark.cluster === proven.cluster && lackOf(proven, mark) === undefined;
