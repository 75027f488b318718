import { type NodeSummary, noCounters } from "#core/statistics/index.ts";
import { type Counted, joined, type NodeCounted, nothingCounted, sumOf, together, withReport } from "./node-counted.ts";

const nothing: Counted = { total: noCounters, rules: new Map() };

/** Policies that are kept although nothing is known of them here: another replica may have heard of a policy first. */
const earlyAtMost = 1_000;

export interface NodeReportsOptions {
  /** Names what this replica adds up itself, of nodes that tell differences; begins with the wall time of its start. */
  readonly ownEpoch: string;
  /** Hears that something else is known of a policy on a node, or that a node was heard for the first time: then there is no policy. */
  readonly changed?: (node: string, policy: string | undefined) => void;
}

/**
 * What nodes counted, by policy. Reports of sums may come twice, late or to one replica and not the other: whoever has heard the newest has the truth, and no sum
 * goes backwards.
 */
export class NodeReports {
  private readonly byPolicy = new Map<string, { readonly nodes: Map<string, NodeCounted>; sum: Counted | undefined }>();
  private readonly heard = new Set<string>();
  /** Told of by others, and not known: oldest first. */
  private readonly early = new Set<string>();
  private readonly options: NodeReportsOptions;

  constructor(options: NodeReportsOptions) {
    this.options = options;
  }

  /** Takes in what a node tells of policies that there are; others are passed over. */
  take({ node, epoch, policies }: NodeSummary, isPolicy: (uid: string) => boolean): void {
    for (const { policy, total, rules } of policies) {
      if (!isPolicy(policy.uid)) continue;
      const counted = this.on(node, policy.uid);
      const { ownEpoch } = this.options;
      this.put(
        node,
        policy.uid,
        epoch === undefined
          ? withReport(counted, ownEpoch, together(counted.epochs.get(ownEpoch) ?? nothing, { total, rules }))
          : withReport(counted, epoch, { total, rules }),
      );
    }
    // Behind what it told: whoever hears that it was heard has heard that, too.
    this.hear(node);
  }

  /** Takes in that a node has told what it counted, here or to another replica that told it. */
  hear(node: string): void {
    if (this.heard.has(node)) return;
    this.heard.add(node);
    this.options.changed?.(node, undefined);
  }

  /** Takes in what another replica knows. */
  join(node: string, policy: string, counted: NodeCounted, isPolicy: (uid: string) => boolean): void {
    if (!isPolicy(policy)) this.keepEarly(policy);
    this.put(node, policy, joined(this.on(node, policy), counted));
  }

  /** What one node counted of one policy. */
  on(node: string, policy: string): NodeCounted {
    return this.byPolicy.get(policy)?.nodes.get(node) ?? nothingCounted;
  }

  /** The sum over all nodes. */
  of(uid: string): Counted {
    const known = this.byPolicy.get(uid);
    if (known === undefined) return nothing;
    known.sum ??= [...known.nodes.values()].reduce<Counted>((sum, counted) => together(sum, sumOf(counted)), nothing);
    return known.sum;
  }

  /** Whether the node has told anything since this replica began, to it or to one that it heard of it. */
  knows(node: string): boolean {
    return this.heard.has(node);
  }

  /** The policy is known here from now on. */
  appeared(uid: string): void {
    this.early.delete(uid);
  }

  /** A policy is gone, and its statistics with it. */
  forget(uid: string): void {
    this.byPolicy.delete(uid);
    this.early.delete(uid);
  }

  private put(node: string, uid: string, counted: NodeCounted): void {
    const known = this.byPolicy.get(uid) ?? { nodes: new Map<string, NodeCounted>(), sum: undefined };
    if (known.nodes.get(node) === counted || counted === nothingCounted) return;
    known.nodes.set(node, counted);
    known.sum = undefined;
    this.byPolicy.set(uid, known);
    this.options.changed?.(node, uid);
  }

  private keepEarly(uid: string): void {
    this.early.delete(uid);
    this.early.add(uid);
    const [oldest] = this.early;
    if (this.early.size > earlyAtMost && oldest !== undefined) this.forget(oldest);
  }
}
