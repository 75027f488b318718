import type { NodeReport } from "./realization.ts";

const nothing: ReadonlyMap<string, NodeReport> = new Map();

/** What agents said of the policies they have, by policy and node. Those of policies that are gone are forgotten. */
export class RealizationReports {
  private readonly byPolicy = new Map<string, Map<string, NodeReport>>();

  /** Takes in a `NetworkPolicyStatus` of controlplane.antrea.io, heard at `at`. Total: parts that cannot be read say nothing. */
  take(policy: string, nodes: unknown, at: number): void {
    if (!Array.isArray(nodes)) return;
    for (const node of nodes as readonly unknown[]) {
      const { nodeName, generation, realizationFailure, proven, message } = (node ?? {}) as Readonly<Record<string, unknown>>;
      if (typeof nodeName !== "string" || nodeName === "") continue;
      let reports = this.byPolicy.get(policy);
      if (reports === undefined) {
        reports = new Map();
        this.byPolicy.set(policy, reports);
      }
      const report = {
        generation: typeof generation === "number" ? generation : 0,
        failed: realizationFailure === true,
        proven: proven === true && realizationFailure !== true,
        message: typeof message === "string" ? message : "",
      };
      const before = reports.get(nodeName);
      const isSame = before?.generation === report.generation && before.failed === report.failed && before.proven === report.proven;
      reports.set(nodeName, { ...report, at: isSame ? before.at : at });
    }
  }

  /** Nodes that a status tells of. Total. */
  static nodesOf(nodes: unknown): readonly string[] {
    if (!Array.isArray(nodes)) return [];
    return (nodes as readonly unknown[]).flatMap((node) => {
      const { nodeName } = (node ?? {}) as { readonly nodeName?: unknown };
      return typeof nodeName === "string" ? [nodeName] : [];
    });
  }

  of(policy: string): ReadonlyMap<string, NodeReport> {
    return this.byPolicy.get(policy) ?? nothing;
  }

  forget(policy: string): void {
    this.byPolicy.delete(policy);
  }
}
