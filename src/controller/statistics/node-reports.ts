import { type Counters, type NodeSummary, noCounters, plus, type PolicyCounters } from "#core/statistics/index.ts";

type Counted = Pick<PolicyCounters, "total" | "rules">;

/** What one node told of one policy. */
interface NodeEntry {
  /** Undefined: from a node that tells differences, which were added up here. */
  epoch: string | undefined;
  current: Counted;
  /** What it had counted when its counting began anew. */
  former: Counters;
  /** Beginnings that are over, so that a late report of one is not taken for news. */
  readonly over: string[];
}

/** A node that loses its disk again and again. */
const epochsRemembered = 4;
const nothing: Counted = { total: noCounters, rules: new Map() };

/**
 * What nodes counted, by policy. Reports of sums may come twice, late or to one replica and not the other: whoever has heard the newest has the truth, and no sum
 * goes backwards.
 */
export class NodeReports {
  private readonly byPolicy = new Map<string, { readonly nodes: Map<string, NodeEntry>; sum: Counted | undefined }>();
  private readonly heard = new Set<string>();

  /** Takes in what a node tells of policies that there are; others are passed over. */
  take({ node, epoch, policies }: NodeSummary, isPolicy: (uid: string) => boolean): void {
    this.heard.add(node);
    for (const { policy, total, rules } of policies) {
      if (!isPolicy(policy.uid)) continue;
      const known = this.byPolicy.get(policy.uid) ?? { nodes: new Map<string, NodeEntry>(), sum: undefined };
      const entry = known.nodes.get(node) ?? { epoch, current: nothing, former: noCounters, over: [] };
      if (epoch === undefined) entry.current = together(entry.current, { total, rules });
      else if (!takeSums(entry, epoch, { total, rules })) continue;
      known.nodes.set(node, entry);
      known.sum = undefined;
      this.byPolicy.set(policy.uid, known);
    }
  }

  /** The sum over all nodes. */
  of(uid: string): Counted {
    const known = this.byPolicy.get(uid);
    if (known === undefined) return nothing;
    known.sum ??= [...known.nodes.values()].reduce<Counted>(
      (sum, { current, former }) => together(sum, { total: plus(current.total, former), rules: current.rules }),
      nothing,
    );
    return known.sum;
  }

  /** Whether the node has told anything since this replica began. */
  knows(node: string): boolean {
    return this.heard.has(node);
  }

  /** A policy is gone, and its statistics with it. */
  forget(uid: string): void {
    this.byPolicy.delete(uid);
  }
}

/** False when the report is older than what is known. */
function takeSums(entry: NodeEntry, epoch: string, told: Counted): boolean {
  if (entry.over.includes(epoch)) return false;
  if (entry.epoch !== epoch) {
    entry.former = plus(entry.former, entry.current.total);
    if (entry.epoch !== undefined) entry.over.push(entry.epoch);
    if (entry.over.length > epochsRemembered) entry.over.shift();
    entry.epoch = epoch;
  } else if (isLess(told.total, entry.current.total)) return false;
  entry.current = told;
  return true;
}

const isLess = (one: Counters, other: Counters): boolean =>
  one.packets < other.packets || one.bytes < other.bytes || one.sessions < other.sessions;

function together(one: Counted, other: Counted): Counted {
  const rules = new Map(one.rules);
  for (const [name, counters] of other.rules) rules.set(name, plus(rules.get(name) ?? noCounters, counters));
  return { total: plus(one.total, other.total), rules };
}
