import { hash } from "node:crypto";
import type { AntreaPolicy, AntreaRule } from "#core/api/antrea/policy.ts";
import { defaultTier } from "#core/api/antrea/tier.ts";
import type { AdmissionRequest, JsonPatchOperation, Verdict } from "./review.ts";

/** Hex digits of the hash in a generated name. */
const hashLength = 7;

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

function generatedName(direction: "ingress" | "egress", rule: AntreaRule): string {
  return `${direction}-${(rule.action ?? "").toLowerCase()}-${hash("sha1", JSON.stringify(sorted(rule)), "hex").slice(0, hashLength)}`;
}

/** The same text for the same content, in whatever order its fields came. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
