import type { AntreaPolicy } from "#core/api/antrea/policy.ts";
import { defaultTier } from "#core/api/antrea/tier.ts";
import type { AdmissionRequest, JsonPatchOperation, Verdict } from "./review.ts";
import { generatedName } from "./rule-name.ts";

/** Gives policies without a tier the default one, and rules without a name one of their content: an unchanged rule keeps it. */
export function completePolicy({ object }: Pick<AdmissionRequest, "object">): Verdict {
  const { spec } = object as AntreaPolicy;
  if (spec === undefined) return {};
  const patch: JsonPatchOperation[] = [];
  for (const direction of ["ingress", "egress"] as const) {
    const rules = spec[direction] ?? [];
    if (rules.every(({ name }) => name)) continue;
    const named = rules.map((rule) => (rule.name ? rule : { ...rule, name: generatedName(direction, rule) }));
    patch.push({ op: "replace", path: `/spec/${direction}`, value: named });
  }
  // "add" replaces what is there and makes what is not.
  if (!spec.tier) patch.push({ op: "add", path: "/spec/tier", value: defaultTier });
  return { patch };
}
