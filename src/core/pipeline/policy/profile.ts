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

/** Equal for ports with equal rules and equal numbers of named ports: they share a profile. */
export const signatureOf = (rules: RuleSet): string => [...rules.keys()].sort().join(" ");

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
