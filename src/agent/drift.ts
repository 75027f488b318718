import type { Logger } from "#lib/runtime/index.ts";

/** How something of ours was found: gone, other than it should be, or there without anybody wanting it. */
export type Finding = "missing" | "changed" | "unknown";

/** What was found wrong that nobody of us made so, by target and finding. */
export interface DriftLog {
  /** `what` names some of what was found, in the target's own words. */
  found(drift: {
    readonly target: DriftTarget;
    readonly finding: Finding;
    readonly count?: number;
    readonly what: string | readonly string[];
  }): void;
  counts(): readonly { readonly target: DriftTarget; readonly finding: Finding; readonly count: number }[];
}

export const driftTargets = ["flow", "group", "meter", "bridge", "port", "gateway", "route", "setting", "nftables"] as const;
export type DriftTarget = (typeof driftTargets)[number];
const findings: readonly Finding[] = ["missing", "changed", "unknown"];

/** Things named in one event; the rest is counted. */
const namedAtMost = 10;

/** Tells each drift in the log and counts it; every pair of target and finding has a count from the start. */
export function createDriftLog(logger: Logger): DriftLog {
  const counts = new Map(driftTargets.map((target) => [target, new Map(findings.map((finding) => [finding, 0]))]));
  return {
    found({ target, finding, what, count = typeof what === "string" ? 1 : what.length }) {
      const ofTarget = counts.get(target);
      ofTarget?.set(finding, (ofTarget.get(finding) ?? 0) + count);
      const named = typeof what === "string" ? [what] : what.slice(0, namedAtMost);
      logger.warn("repaired what somebody else changed", { target, finding, count, what: named });
    },
    counts: () => [...counts].flatMap(([target, ofTarget]) => [...ofTarget].map(([finding, count]) => ({ target, finding, count }))),
  };
}
