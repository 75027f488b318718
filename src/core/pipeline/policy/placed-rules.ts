import type { RuleAction } from "#core/api/controlplane/index.ts";
import type { MemberIndex, IndexedMember, SetPage } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { ServiceNumbers } from "../service/index.ts";
import type { Pipeline } from "../tables.ts";
import type { OrderedPlace, ProfileAllocations, SideAllocations } from "./allocations.ts";
import { type Clause, clausesOf } from "./clauses.ts";
import { flowsOfPorts, withPeersInline } from "./inline-peers.ts";
import type { PolicyLayer } from "./layers.ts";
import type { EncodingLimits } from "./limits.ts";
import type { Expansion, PlacedRule, Profile, RulePlace, RuleVariant } from "./profile.ts";
import { ruleCompiler } from "./rule-flows.ts";
import type { RuleIds } from "./rule-ids.ts";

/** What the layers of one direction have in common. */
export interface LayerOptions<Member extends IndexedMember> {
  readonly pipeline: Pipeline;
  readonly layer: PolicyLayer;
  readonly families: readonly Family[];
  readonly ledger: FlowLedger;
  readonly index: MemberIndex<Member>;
  readonly ruleIds: RuleIds;
  readonly limits: EncodingLimits;
  readonly metered: boolean;
  readonly services?: ServiceNumbers | undefined;
  readonly remembered?: SideAllocations | undefined;
}

/** Rules of one layer in their places: their flows, the bits that these use, and who must follow the members of groups. */
export interface PlacedRules {
  /** The clauses of a rule, kept as long as the rule is, unless its peers' named ports can change them. */
  expand(variant: RuleVariant): Expansion;
  /** Why the rule can be in no place at all; undefined when it may. */
  impossible(variant: RuleVariant): string | undefined;
  /** Whether its peers make at most so many flows with their addresses in them, and there may be more of such flows. */
  fitsInline(variant: RuleVariant, flows: number): boolean;
  wasInline(variant: RuleVariant): boolean;
  rememberedOn(page: SetPage, keys: readonly string[]): boolean;
  /** Puts the rule in its place, out of the one that it had. */
  put(profile: Profile, variant: RuleVariant, place: RulePlace & { readonly priority: number }): PlacedRule;
  /** Writes the rule's flows again, at the priority that it has now. */
  rewrite(rule: PlacedRule): void;
  remove(profile: Profile, rule: PlacedRule): void;
  ruleIdOf(variant: RuleVariant): number;
  /** What of the profile's rules is remembered across a restart: the same object as before, as long as none of them came to a place or left one. */
  allocationsOf(profile: Profile): ProfileAllocations;
  /** Rules that name their peers themselves, or had no place for them, and where: they follow the groups' members. */
  followersOf(groups: ReadonlySet<string>): ReadonlyMap<RuleVariant, ReadonlySet<Profile>>;
  readonly inlineFlows: number;
  readonly refused: number;
  /** How often a rule came to a place or left one: as long as it stays the same, so does what is remembered of all of them. */
  readonly moves: number;
}

const nothingExpanded: Expansion = { clauses: [], sets: [], keys: [] };
/** What a rule that denies or passes on stands for when it has no place for its peers: nobody is let through in its stead. */
const everything: readonly Clause[] = [{ peers: [{ kind: "any" }], ports: "every" }];

export interface PlacedRulesOptions<Member extends IndexedMember> extends LayerOptions<Member> {
  /** Sets that a rule does not use any more keep their bits until the switch has heard so, and nobody was told to ask others in between. */
  readonly releaseLate: boolean;
  /** Whether a restart would not give the rule this priority by itself. */
  readonly remembersPriority: (ruleId: number, priority: number) => boolean;
}

export function createPlacedRules<Member extends IndexedMember>(options: PlacedRulesOptions<Member>): PlacedRules {
  const { layer, ledger, index, ruleIds, limits, remembered, releaseLate, remembersPriority } = options;
  const rememberedInline = new Set(remembered?.[layer.name].inline);
  const compileRule = ruleCompiler(options);
  const followers = new Map<string, Map<RuleVariant, Set<Profile>>>();
  let inlineFlows = 0;
  let refused = 0;
  let moves = 0;
  /** By profile, with what was true then: a segment that went is another length of the chain, and one that came has a rule that came. */
  const told = new WeakMap<Profile, { readonly segments: number; readonly allocations: ProfileAllocations }>();

  const expand = (variant: RuleVariant): Expansion => {
    if (variant.expansion !== undefined) return variant.expansion;
    const clauses = clausesOf(variant.rule, variant.ownPorts, index);
    const sets = clauses.flatMap(({ peers }) => peers.flatMap((peer) => (peer.kind === "set" ? [peer.set] : [])));
    const expansion = { clauses, sets, keys: sets.length < 2 ? sets.map(({ key }) => key) : [...new Set(sets.map(({ key }) => key))] };
    if (variant.rule.peerNames.length === 0) variant.expansion = expansion;
    return expansion;
  };
  const follow = (profile: Profile, variant: RuleVariant, on: boolean): void => {
    for (const group of variant.rule.groups) {
      const rules = followers.get(group) ?? new Map<RuleVariant, Set<Profile>>();
      const where = rules.get(variant) ?? new Set<Profile>();
      if (on) where.add(profile);
      else where.delete(profile);
      if (where.size > 0) rules.set(variant, where);
      else rules.delete(variant);
      if (rules.size > 0) followers.set(group, rules);
      else followers.delete(group);
    }
  };
  const ruleIdOf = ({ rule }: RuleVariant): number => ruleIds.idOf(rule.key);
  const clausesIn = (variant: RuleVariant, form: RulePlace["form"]): readonly Clause[] => {
    if (form === "refused") return variant.rule.action === "Allow" ? [] : everything;
    const { clauses } = expand(variant);
    return form === "bits" ? clauses : (withPeersInline(clauses, index, limits.inlineFlowsOfRule) ?? []);
  };
  const write = ({ variant, segment, form, priority, flows }: Omit<PlacedRule, "sets" | "reason">): void => {
    flows.set(
      compileRule({
        condition: segment.condition,
        bitOf: segment.page.bitOf,
        action: actionOf({ variant, form }),
        ruleId: ruleIdOf(variant),
        priority,
        isLogged: variant.rule.logged !== undefined,
        isStaged: variant.rule.staged === true,
        clauses: clausesIn(variant, form),
      }),
    );
  };
  const allocationsNow = ({ segments, rules }: Profile): ProfileAllocations => {
    const inline: string[] = [];
    const order: OrderedPlace[] = [];
    for (const { variant, form, priority, segment } of rules.values()) {
      if (form === "inline") inline.push(variant.key);
      const ruleId = ruleIdOf(variant);
      if (remembersPriority(ruleId, priority)) order.push([ruleId, priority, segments.indexOf(segment)]);
    }
    return { inline, order };
  };
  const leave = (profile: Profile, { variant, segment, form, sets, flows }: PlacedRule): void => {
    for (const set of sets)
      if (releaseLate) segment.page.retire(set);
      else segment.page.release(set);
    if (form !== "bits") follow(profile, variant, false);
    if (form === "inline") inlineFlows -= flows.flows().length;
    if (form === "refused") refused--;
  };

  return {
    expand,
    impossible(variant) {
      try {
        const flows = expand(variant).clauses.reduce((sum, { peers, ports }) => sum + peers.length * flowsOfPorts(ports), 0);
        return flows > limits.flowsOfRule ? `a rule needs ${flows} flows of at most ${limits.flowsOfRule}` : undefined;
      } catch (error) {
        return errorMessage(error);
      }
    },
    fitsInline: (variant, flows) =>
      inlineFlows < limits.inlineFlows && withPeersInline(expand(variant).clauses, index, flows) !== undefined,
    wasInline: ({ key }) => rememberedInline.has(key),
    rememberedOn: (page, keys) => keys.every((key) => remembered?.bits[page.id]?.[key] !== undefined),
    put(profile, variant, { segment, form, reason, priority }) {
      moves++;
      told.delete(profile);
      const before = profile.rules.get(variant.key);
      const { sets } = form === "bits" ? expand(variant) : nothingExpanded;
      const { page } = segment;
      const taken = sets.filter((set) => page.take(set, remembered?.bits[page.id]?.[set.key]) !== undefined);
      if (before !== undefined) leave(profile, before);
      const flows = before?.flows ?? ledger.owner();
      const rule = { variant, segment, form, priority, sets: taken.map(({ key }) => key), flows, reason };
      write(rule);
      if (form !== "bits") follow(profile, variant, true);
      if (form === "inline") inlineFlows += flows.flows().length;
      if (form === "refused") refused++;
      profile.rules.set(variant.key, rule);
      return rule;
    },
    rewrite: write,
    remove(profile, rule) {
      moves++;
      told.delete(profile);
      leave(profile, rule);
      profile.rules.delete(rule.variant.key);
      rule.flows.set([]);
    },
    ruleIdOf,
    allocationsOf(profile) {
      const { length } = profile.segments;
      const known = told.get(profile);
      if (known?.segments === length) return known.allocations;
      const allocations = allocationsNow(profile);
      told.set(profile, { segments: length, allocations });
      return allocations;
    },
    followersOf(groups) {
      const due = new Map<RuleVariant, ReadonlySet<Profile>>();
      if (followers.size === 0) return due;
      for (const group of groups) for (const [variant, where] of followers.get(group) ?? []) due.set(variant, new Set(where));
      return due;
    },
    get inlineFlows() {
      return inlineFlows;
    },
    get refused() {
      return refused;
    },
    get moves() {
      return moves;
    },
  };
}

/** What the rule does in its place. */
export const actionOf = ({ variant: { rule }, form }: Pick<PlacedRule, "variant" | "form">): RuleAction =>
  form === "refused" && rule.action !== "Allow" ? "Drop" : rule.action;
