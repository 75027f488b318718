import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { builtInTiers } from "#core/api/antrea/tier.ts";
import { checkAppliedTo, checkAppliedToPlace } from "./applied-to.ts";
import { checkMulticast, checkNamesOfHosts, checkPeers, checkServicePeers } from "./peers.ts";
import { appliedToOf, first, type PlacedPolicy, placedPolicy, refusal } from "./places.ts";
import { checkIgmp, checkL7, checkPorts } from "./protocols.ts";
import type { AdmissionRequest, Verdict } from "./review.ts";

export interface PolicyContext {
  /** Whether there is a Tier of the name that the policy gives. */
  readonly tierExists: boolean;
  /** Feature gate L7NetworkPolicy. */
  readonly l7NetworkPolicy: boolean;
}

/**
 * Checks in the order in which users of the Go implementation meet them; the first that fails is told, in its words, with the field behind it. Linear in the
 * size of the policy.
 */
export function checkPolicy({ object }: Pick<AdmissionRequest, "object">, context: PolicyContext): Verdict {
  const { spec } = object as AntreaPolicy;
  if (spec === undefined) return { denial: "spec is required" };
  const policy = placedPolicy(spec);
  const denial = first(checks, (check) => check(policy, context));
  return denial === undefined ? { warnings: warningsOf(policy) } : { denial };
}

type Check = (policy: PlacedPolicy, context: PolicyContext) => string | undefined;

/** As written before v2.0: accepted as the tier of the name in lower case. */
const isLegacyName = (tier: string): boolean =>
  ["Emergency", "SecurityOps", "NetworkOps", "Platform", "Application", "Baseline"].includes(tier);

const checkTier: Check = ({ spec: { tier = "" } }, { tierExists }) =>
  tier === "" || tierExists || isLegacyName(tier) || builtInTiers.some(({ name }) => name === tier)
    ? undefined
    : refusal(`tier ${tier} does not exist`, "spec.tier");

const checkPass: Check = ({ spec, rules }) => {
  if (spec.tier?.toLowerCase() !== "baseline") return undefined;
  const passing = rules.find(({ item }) => item.action === "Pass");
  return passing && refusal("`Pass` action should not be set for Baseline Tier policy rules", `${passing.path}.action`);
};

const checkNames: Check = ({ rules }) => {
  const seen = new Set<string>();
  return first(rules, ({ item: { name = "" }, path }) => {
    if (name !== "" && seen.has(name)) return refusal("rules names must be unique within the policy", `${path}.name: ${name}`);
    seen.add(name);
    return undefined;
  });
};

const checks: readonly Check[] = [
  checkTier,
  checkPass,
  checkNames,
  checkAppliedToPlace,
  checkAppliedTo,
  checkPeers,
  checkServicePeers,
  checkNamesOfHosts,
  checkMulticast,
  checkIgmp,
  checkL7,
  checkPorts,
];

/** As many characters of a log label as the log of a node's own policies shows. */
const nodeLogLabelLimit = 12;

function warningsOf({ spec, rules }: PlacedPolicy): string[] {
  if (!appliedToOf(spec).some(({ item }) => item.nodeSelector !== undefined)) return [];
  return rules.flatMap(({ item: { enableLogging, logLabel = "" }, path }) =>
    enableLogging === true && logLabel.length > nodeLogLabelLimit
      ? [
          refusal(
            `logLabel ${logLabel} is longer than the ${nodeLogLabelLimit} characters that the log of a policy for Nodes shows`,
            `${path}.logLabel`,
          ),
        ]
      : [],
  );
}
