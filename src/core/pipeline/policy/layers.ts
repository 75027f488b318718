import type { RuleAction } from "#core/api/controlplane/index.ts";
import type { Action } from "#lib/openflow/action.ts";
import type { Match } from "#lib/openflow/match.ts";
import { setRegister, whenRegisters } from "../flow-builder.ts";
import type { TableName } from "../tables.ts";
import type { PolicySide } from "./sides.ts";

/** In the order in which a packet meets them; the baseline is there for pods that no Kubernetes policy isolates. */
export const layerNames = ["tiers", "kubernetes", "baseline"] as const;
export type LayerName = (typeof layerNames)[number];

/** The numbers under which the rules of a segment are found: its own, and that of the page whose bits they match. */
export interface SegmentNumbers {
  readonly id: number;
  readonly page: number;
}

/** One layer of policies in one direction: where its rules stand, and how a packet gets to those that hold for its pod. */
export interface PolicyLayer {
  readonly name: LayerName;
  readonly side: PolicySide;
  readonly table: TableName;
  /** The condition that a segment's rules are to be asked. */
  whenSegment(segment: SegmentNumbers): Match;
  /** Leads to a segment, whose page is to be looked up then. */
  enter(segment: SegmentNumbers): Action[];
  /** Where a rule sends what it matches. */
  next(action: RuleAction): TableName | "drop";
}

export const bitsCleared: readonly Action[] = [setRegister("setBitsLow", 0n), setRegister("setBitsHigh", 0n)];

export function policyLayers(side: PolicySide): Readonly<Record<LayerName, PolicyLayer>> {
  const ended = (action: RuleAction): TableName | "drop" => (action === "Allow" || action === "Pass" ? side.admitted : "drop");
  const afterTiers = (name: LayerName, table: TableName): PolicyLayer => ({
    name,
    side,
    table,
    // The page that is loaded may be the tiers'.
    whenSegment: ({ id, page }) => whenRegisters({ profile: BigInt(id), page: BigInt(page) }),
    // The lookup leads past the tiers again, which have had their say.
    enter: ({ id, page }) => [
      setRegister("profile", BigInt(id)),
      setRegister("page", BigInt(page)),
      setRegister("tierProfile", 0n),
      ...bitsCleared,
    ],
    next: ended,
  });
  return {
    tiers: {
      name: "tiers",
      side,
      table: side.tierRule,
      whenSegment: ({ id }) => whenRegisters({ tierProfile: BigInt(id) }),
      enter: ({ id, page }) => [setRegister("tierProfile", BigInt(id)), setRegister("page", BigInt(page)), ...bitsCleared],
      next: (action) => (action === "Pass" ? side.rule : ended(action)),
    },
    kubernetes: afterTiers("kubernetes", side.rule),
    baseline: afterTiers("baseline", side.defaultRule),
  };
}
