import { isBefore, type Told } from "#core/api/controlplane/index.ts";
import type { PolicyChange } from "#core/policy/index.ts";
import type { NodeReport } from "./realization.ts";

/** What is known of a policy on a node, and from whom. */
export interface HeardReport extends NodeReport {
  /** The agent said it to this replica, or to the one that passed it on. */
  readonly direct: boolean;
  /** When among all that the agent said to this replica. Absent from agents that do not tell. */
  readonly told?: Told | undefined;
}

const nothing: ReadonlyMap<string, HeardReport> = new Map();

/** Policies that are kept although nothing is known of them: an agent may hear of a policy from another replica first, and tells each replica once. */
const earlyAtMost = 1_000;
/** Characters of a message that are kept. */
const longestMessage = 1_024;

/** The NetworkPolicyStatus that was posted for the policy `name`, or all those of a NetworkPolicyStatusList. Total. */
export function statusesOf(name: string, body: unknown): readonly { readonly policy: string; readonly nodes: unknown }[] {
  const { nodes, items } = (body ?? {}) as { readonly nodes?: unknown; readonly items?: unknown };
  if (!Array.isArray(items)) return [{ policy: name, nodes }];
  return (items as readonly unknown[]).flatMap((item) => {
    const { metadata, nodes: told } = (item ?? {}) as { readonly metadata?: { readonly name?: unknown } | null; readonly nodes?: unknown };
    return typeof metadata?.name === "string" ? [{ policy: metadata.name, nodes: told }] : [];
  });
}

/** What the node of a NetworkPolicyStatusList has proven of the members of groups; undefined where nothing is told. Total. */
export function membersOf(name: string, body: unknown): { readonly node: string; readonly computed: string } | undefined {
  const { items, computed } = (body ?? {}) as { readonly items?: unknown; readonly computed?: unknown };
  return Array.isArray(items) && typeof computed === "string" ? { node: name, computed } : undefined;
}

/** What agents said of the policies they have, by policy and node. What cannot be true any more is forgotten. */
export class RealizationReports {
  private readonly byPolicy = new Map<string, Map<string, HeardReport>>();
  private readonly known = new Set<string>();
  /** Told of, and not known: oldest first. */
  private readonly early = new Set<string>();
  private readonly changed: (node: string, policy: string) => void;

  /** `changed` hears that something else is known of a policy on a node. */
  constructor(changed: (node: string, policy: string) => void = () => {}) {
    this.changed = changed;
  }

  /**
   * Takes in a `NetworkPolicyStatus` of controlplane.antrea.io, heard at `at`. What was `told` before what is known, and comes after it, says nothing. Total: parts
   * that cannot be read say nothing.
   */
  take(policy: string, nodes: unknown, at: number, told?: Told): void {
    if (!Array.isArray(nodes)) return;
    if (!this.known.has(policy)) this.keepEarly(policy);
    for (const node of nodes as readonly unknown[]) {
      const { nodeName, generation, revision, realizationFailure, proven, message } = (node ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof nodeName !== "string" || nodeName === "") continue;
      let reports = this.byPolicy.get(policy);
      if (reports === undefined) {
        reports = new Map();
        this.byPolicy.set(policy, reports);
      }
      const report = {
        direct: true,
        generation: typeof generation === "number" ? generation : 0,
        revision: typeof revision === "string" ? revision : undefined,
        failed: realizationFailure === true,
        proven: proven === true && realizationFailure !== true,
        message: typeof message === "string" ? message.slice(0, longestMessage) : "",
      };
      const before = reports.get(nodeName);
      if (isBefore(told, before?.told)) continue;
      const isSame = before !== undefined && saysTheSame(before, report);
      reports.set(nodeName, { ...report, ...(told !== undefined && { told }), at: isSame ? before.at : at });
      if (!isSame || !before.direct) this.changed(nodeName, policy);
    }
  }

  /**
   * Takes in what another replica knows. What the agent said here stays, unless it is not `present`, of the policy as it is computed now, and what the other one
   * knows is. True when that changed something.
   */
  join(policy: string, node: string, report: HeardReport, present: (report: NodeReport) => boolean): boolean {
    const before = this.byPolicy.get(policy)?.get(node);
    if (before !== undefined) {
      if (saysTheSame(before, report)) return false;
      const isNewer = report.generation > before.generation || (!present(before) && present(report));
      if (!isNewer && (before.direct || !report.direct)) return false;
    }
    if (!this.known.has(policy)) this.keepEarly(policy);
    const reports = this.byPolicy.get(policy) ?? new Map<string, HeardReport>();
    // Whoever passes it on did not hear it from the agent.
    reports.set(node, { ...report, direct: false, ...(before?.told !== undefined && { told: before.told }) });
    this.byPolicy.set(policy, reports);
    this.changed(node, policy);
    return true;
  }

  /** Nodes that a status tells of. Total. */
  static nodesOf(nodes: unknown): readonly string[] {
    if (!Array.isArray(nodes)) return [];
    return (nodes as readonly unknown[]).flatMap((node) => {
      const { nodeName } = (node ?? {}) as { readonly nodeName?: unknown };
      return typeof nodeName === "string" ? [nodeName] : [];
    });
  }

  of(policy: string): ReadonlyMap<string, HeardReport> {
    return this.byPolicy.get(policy) ?? nothing;
  }

  /** To be called with every change that was published. A node that has a policy again has to prove it again. */
  published(changes: readonly PolicyChange[]): void {
    for (const { name, event, lost } of changes) {
      if (event === "deleted") {
        this.byPolicy.delete(name);
        this.known.delete(name);
        continue;
      }
      this.known.add(name);
      this.early.delete(name);
      for (const node of lost) this.byPolicy.get(name)?.delete(node);
    }
  }

  private keepEarly(policy: string): void {
    this.early.delete(policy);
    this.early.add(policy);
    const [oldest] = this.early;
    if (this.early.size <= earlyAtMost || oldest === undefined) return;
    this.early.delete(oldest);
    this.byPolicy.delete(oldest);
  }
}

const saysTheSame = (one: Omit<NodeReport, "at" | "message">, other: Omit<NodeReport, "at" | "message">): boolean =>
  one.generation === other.generation && one.revision === other.revision && one.failed === other.failed && one.proven === other.proven;
