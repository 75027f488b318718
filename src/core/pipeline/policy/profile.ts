import { hash } from "node:crypto";
import type { NamedPort } from "#core/api/controlplane/index.ts";
import type { PeerSet, SetPage } from "#core/sets/index.ts";
import type { Match } from "#lib/openflow/match.ts";
import type { FlowOwner } from "../flow-ledger.ts";
import { type Clause, type OwnPorts, sourcesOf } from "./clauses.ts";
import type { LoweredRule } from "./lowered-rule.ts";

/** A rule as it holds for one class of ports: with the numbers of their own named ports. */
export interface RuleVariant {
  readonly key: string;
  readonly rule: LoweredRule;
  readonly ownPorts: OwnPorts;
  /** Follow from the key: what it adds to the signature of a class. */
  readonly high: number;
  readonly low: number;
  /** What it allows, once it was asked for; not kept where its peers' named ports can change it. */
  expansion: Expansion | undefined;
}

/** What a rule allows, and the sets of peers in it. */
export interface Expansion {
  readonly clauses: readonly Clause[];
  readonly sets: readonly PeerSet[];
  /** The sets' keys, each once. */
  readonly keys: readonly string[];
}

/** All rules of a class of ports, by variant key. */
export type RuleSet = ReadonlyMap<string, RuleVariant>;

/** Rules of one direction as they hold for pods that are in the same groups and declare the same named ports. */
export interface ClassOfRules {
  readonly rules: RuleSet;
  /** Equal for equal rules with equal numbers of named ports: such ports share a profile. Others may have it by chance, see {@link sameRules}. */
  readonly signature: string;
}

/** Variants of rules, so that one stays the same object as long as its rule does. By rule key, then by the numbers of own named ports. */
export type VariantCache = Map<string, RuleVariant | Map<string, RuleVariant>>;

/** Sums of weights stay whole numbers below this. */
const modulus = 2 ** 48;

/** Resolves the rules' named ports of the subject's own: each set of numbers makes a variant of its own. */
export function classify(rules: Iterable<LoweredRule>, namedPorts: readonly NamedPort[], cache: VariantCache): ClassOfRules {
  const set = new Map<string, RuleVariant>();
  let high = 0;
  let low = 0;
  for (const rule of rules) {
    const variant = variantOf(rule, namedPorts, cache);
    if (set.has(variant.key)) continue;
    set.set(variant.key, variant);
    high = (high + variant.high) % modulus;
    low = (low + variant.low) % modulus;
  }
  return { rules: set, signature: `${set.size}/${high.toString(36)}/${low.toString(36)}` };
}

export function sameRules(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  if (one.size !== other.size) return false;
  for (const key of one.keys()) if (!other.has(key)) return false;
  return true;
}

const noNumbers: OwnPorts = [];

function variantOf(rule: LoweredRule, namedPorts: readonly NamedPort[], cache: VariantCache): RuleVariant {
  const known = cache.get(rule.key);
  if (rule.ownNames.length === 0) {
    if (known !== undefined && !(known instanceof Map)) return known;
    const variant = newVariant(rule, "", noNumbers);
    cache.set(rule.key, variant);
    return variant;
  }
  const ownPorts = resolve(rule, namedPorts);
  const suffix = ownPorts
    .map(({ protocol, ports }) => `${protocol}:${ports?.from}`)
    .sort()
    .join(",");
  const variants = known instanceof Map ? known : new Map<string, RuleVariant>();
  cache.set(rule.key, variants);
  const variant = variants.get(suffix) ?? newVariant(rule, suffix, ownPorts);
  variants.set(suffix, variant);
  return variant;
}

function newVariant(rule: LoweredRule, suffix: string, ownPorts: OwnPorts): RuleVariant {
  const key = suffix === "" ? rule.key : `${rule.key}@${suffix}`;
  // A key ends in a digest already, unless numbers follow it.
  const digits = suffix === "" ? key.slice(key.lastIndexOf("/") + 1) : hash("sha1", key, "hex");
  const high = Number.parseInt(digits.slice(0, 12), 16);
  const low = Number.parseInt(digits.slice(12, 24), 16);
  return { key, rule, ownPorts, high, low, expansion: undefined };
}

const resolve = ({ ownNames }: LoweredRule, namedPorts: readonly NamedPort[]): OwnPorts =>
  ownNames.flatMap(({ protocol, port, ...rest }) =>
    namedPorts
      .filter((declared) => declared.name === port && declared.protocol === protocol)
      .map(({ port: number }) => ({ protocol, ports: { from: number, to: number }, ...sourcesOf(rest) })),
  );

/** Up to a page of sets, and the rules that use them. */
export interface Segment {
  readonly id: number;
  readonly page: SetPage;
  /** The condition that its rules are to be asked. */
  readonly condition: Match;
  /** Priorities of its rules, where these are in no order; they differ. */
  readonly priorities: Set<number>;
}

/** How the peers of a rule are matched: by bits of its segment, by their addresses in its flows, or not at all for want of both. */
export type PeerForm = "bits" | "inline" | "refused";

/** Where a rule is to stand, and why it is refused, when it is. */
export interface RulePlace {
  readonly segment: Segment;
  readonly form: PeerForm;
  readonly reason?: string | undefined;
}

export interface PlacedRule {
  readonly variant: RuleVariant;
  readonly segment: Segment;
  readonly form: PeerForm;
  /** Changes where rules are in order. */
  priority: number;
  /** Keys of its sets on the segment's page. */
  readonly sets: readonly string[];
  readonly flows: FlowOwner;
  /** Why it is refused, when it is. */
  readonly reason: string | undefined;
}

/** The rules of one layer that hold for a class of local ports in one direction: a chain of segments, each asked when the one before decided nothing. */
export interface Profile {
  /** The first is there also without rules; ports are led to it. */
  readonly segments: [Segment, ...Segment[]];
  signature: string;
  /** Interface names. */
  readonly ports: Set<string>;
  readonly rules: Map<string, PlacedRule>;
}
