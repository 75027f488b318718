import type { NamedPort } from "#core/api/controlplane/index.ts";
import type { LoweredRule } from "./lowered-rule.ts";
import type { OwnPorts } from "./clauses.ts";

/** A rule as it holds for one class of ports: with the numbers of their own named ports. */
export interface RuleVariant {
  readonly key: string;
  readonly rule: LoweredRule;
  readonly ownPorts: OwnPorts;
}

/** All rules of a class of ports, by variant key. */
export type RuleSet = ReadonlyMap<string, RuleVariant>;

/** Rules of one direction as they hold for pods that are in the same groups and declare the same named ports. */
export interface ClassOfRules {
  readonly rules: RuleSet;
  /** Equal for equal rules with equal numbers of named ports: such ports share a profile. */
  readonly signature: string;
}

/** Variants by rule, so that one stays the same object as long as its rule does. */
export type VariantCache = WeakMap<LoweredRule, Map<string, RuleVariant>>;

/** Resolves the rules' named ports of the subject's own: each set of numbers makes a variant of its own. */
export function classify(rules: Iterable<LoweredRule>, namedPorts: readonly NamedPort[], cache: VariantCache): ClassOfRules {
  const set = new Map<string, RuleVariant>();
  for (const rule of rules) {
    const variant = variantOf(rule, namedPorts, cache);
    set.set(variant.key, variant);
  }
  return { rules: set, signature: [...set.keys()].sort().join(" ") };
}

function variantOf(rule: LoweredRule, namedPorts: readonly NamedPort[], cache: VariantCache): RuleVariant {
  const numbers = rule.ownNames.flatMap(({ protocol, port }) =>
    namedPorts
      .filter((declared) => declared.name === port && declared.protocol === protocol)
      .map(({ port: number }) => ({ protocol, ports: { from: number, to: number } })),
  );
  const suffix = numbers
    .map(({ protocol, ports }) => `${protocol}:${ports.from}`)
    .sort()
    .join(",");
  const variants = cache.get(rule) ?? new Map<string, RuleVariant>();
  cache.set(rule, variants);
  const known = variants.get(suffix);
  if (known !== undefined) return known;
  const variant = { key: suffix === "" ? rule.key : `${rule.key}@${suffix}`, rule, ownPorts: numbers };
  variants.set(suffix, variant);
  return variant;
}

/** The stable id of the rules that hold for a class of local ports in one direction. */
export interface Profile {
  readonly id: number;
  readonly page: number;
  signature: string;
  /** Interface names. */
  readonly ports: Set<string>;
  readonly rules: Map<string, RuleVariant>;
  /** Priority of each rule, distinct within the profile. */
  readonly priorities: Map<string, number>;
  readonly usedPriorities: Set<number>;
  /** Sets of the page that each rule uses. */
  readonly sets: Map<string, readonly string[]>;
}
