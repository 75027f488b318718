import type { AppliedTo } from "#core/api/antrea/policy.ts";
import { checkLabels } from "./labels.ts";
import { appliedToOf, first, type Placed, type PlacedPolicy, presentFields, refusal } from "./places.ts";

/** Subjects stand in the policy, or in each of its rules. */
export function checkAppliedToPlace({ spec, rules }: PlacedPolicy): string | undefined {
  const inSpec = (spec.appliedTo ?? []).length > 0;
  const within = rules.find(({ item }) => (item.appliedTo ?? []).length > 0);
  const without = rules.find(({ item }) => (item.appliedTo ?? []).length === 0);
  if (inSpec && within !== undefined) return refusal("appliedTo should not be set in both spec and rules", `${within.path}.appliedTo`);
  if (!inSpec && within === undefined) return refusal("appliedTo needs to be set in either spec or rules", "spec.appliedTo");
  return within !== undefined && without !== undefined
    ? refusal("appliedTo field should either be set in all rules or in none of them", `${without.path}.appliedTo`)
    : undefined;
}

/** Kinds of subjects that nothing else stands beside. */
const exclusive = ["group", "nodeSelector", "serviceAccount", "service"] as const;

export const isForServices = (entries: readonly Placed<AppliedTo>[]): boolean => entries.some(({ item }) => item.service !== undefined);

export function checkAppliedTo({ spec, rules }: PlacedPolicy): string | undefined {
  const hasEgress = (spec.egress ?? []).length > 0;
  return (
    checkSubjects(appliedToOf(spec), hasEgress) ??
    first(rules, (rule) => checkSubjects(appliedToOf(spec, rule), rule.direction === "egress"))
  );
}

function checkSubjects(entries: readonly Placed<AppliedTo>[], forEgress: boolean): string | undefined {
  const problem = first(entries, ({ item, path }) => {
    const present = presentFields(item);
    const alone = exclusive.find((field) => present.includes(field));
    if (alone !== undefined && present.length > 1) return refusal(`${alone} cannot be set with other peers in appliedTo`, path);
    if (alone === "service" && forEgress) return refusal("egress rule cannot be applied to Services", path);
    return checkLabels(item, path);
  });
  if (problem !== undefined || !isForServices(entries)) return problem;
  const other = entries.find(({ item }) => item.service === undefined);
  return other && refusal("a rule/policy cannot be applied to Services and other peers at the same time", other.path);
}
