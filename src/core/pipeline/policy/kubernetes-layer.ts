import type { IndexedMember, SetPage } from "#core/sets/index.ts";
import { copyToController } from "../packet-in/index.ts";
import type { OrderedPlace } from "./allocations.ts";
import type { LayerCompiler, SegmentIds } from "./layer-compiler.ts";
import type { SegmentNumbers } from "./layers.ts";
import type { PagePool } from "./page-pool.ts";
import { createPlacedRules, type LayerOptions } from "./placed-rules.ts";
import { createPortClasses } from "./port-classes.ts";
import { compileIsolation, compileNextSegment } from "./port-flows.ts";
import type { PlacedRule, Profile, RulePlace, RuleSet, RuleVariant, Segment } from "./profile.ts";

const rulePriorities = { first: 1_000, last: 65_000 };
/** That of a rule by itself; the next one, where another rule of the segment has it. */
const ownPriority = (ruleId: number): number => rulePriorities.first + (ruleId % (rulePriorities.last - rulePriorities.first));

/**
 * Kubernetes policies: a pod that one selects is isolated, and what any rule admits is admitted. So rules are in no order, and a rule may stand in
 * any segment.
 */
export function createKubernetesLayer<Member extends IndexedMember>(
  options: LayerOptions<Member> & { readonly ids: SegmentIds; readonly pool: PagePool },
): LayerCompiler {
  const { pipeline, layer, ledger, limits, remembered, metered, ids, pool } = options;
  const { side } = layer;
  const rules = createPlacedRules({
    ...options,
    releaseLate: false,
    remembersPriority: (ruleId, priority) => priority !== ownPriority(ruleId),
  });
  const settledIdle = new Set<Segment>();
  /** By profile and number of a rule, what a profile of before a restart had of those that stood elsewhere than they would by themselves. */
  const placesBefore = new WeakMap<Profile, ReadonlyMap<number, OrderedPlace>>();
  /** By profile, what is done with what none of its rules admits, when more than a drop: its rules are logged, or its clients told. */
  const denials = new WeakMap<Profile, string>();
  const log = copyToController(pipeline, "auditLog", { metered });
  const reject = copyToController(pipeline, "reject", { metered });
  const noPlace = `the rules of one of its pods need more than ${limits.rounds * limits.setsPerPage} peer sets, and one has too many peers (more than ${limits.inlineFlowsOfRule} flows) to do without`;
  const owner = ({ id }: Segment): string => `policy${side.direction}/segment/${id}`;
  const numbersOf = ({ id, page }: Segment): SegmentNumbers => ({ id, page: page.id });
  const hasPriority = ({ priorities }: Segment): boolean => priorities.size < rulePriorities.last - rulePriorities.first;

  const priorityIn = (profile: Profile, segment: Segment, ruleId: number): number => {
    const { priorities } = segment;
    const [, before, at] = placesBefore.get(profile)?.get(ruleId) ?? [];
    let priority = before !== undefined && profile.segments.indexOf(segment) === at ? before : ownPriority(ruleId);
    while (priorities.has(priority)) priority = priority < rulePriorities.last ? priority + 1 : rulePriorities.first;
    return priority;
  };
  const newSegment = (page: SetPage, preferredId?: number): Segment | undefined => {
    const id = ids.take(preferredId);
    return id === undefined ? undefined : { id, page, condition: layer.whenSegment({ id, page: page.id }), priorities: new Set() };
  };
  /** Writes what leads from segment to segment, and the isolation behind each. */
  const chain = (profile: Profile): void => {
    const { segments } = profile;
    const denial = denials.get(profile) ?? "";
    const isolation = { ...(denial.includes("log") && { log }), ...(denial.includes("refuse") && { reject }) };
    for (const [place, segment] of segments.entries()) {
      const next = segments[place + 1];
      ledger.set(owner(segment), [
        compileIsolation(pipeline, side, numbersOf(segment), isolation),
        ...(next === undefined ? [] : [compileNextSegment(pipeline, layer, numbersOf(segment), numbersOf(next))]),
      ]);
    }
  };
  const freeSegment = (segment: Segment): void => {
    ledger.remove(owner(segment));
    ids.release(segment);
  };

  /** Where a rule's peers can be matched: in a segment that is there, inline, in a new segment. */
  const place = (profile: Profile, variant: RuleVariant): RulePlace => {
    const { keys } = rules.expand(variant);
    const open = profile.segments.filter(hasPriority);
    const present = profile.rules.get(variant.key);
    const [first] = open;
    if (keys.length === 0 && first !== undefined) return { segment: first, form: "bits" };
    const wasInline = present === undefined ? rules.wasInline(variant) : present.form === "inline";
    const usable =
      keys.length === 0 || wasInline
        ? []
        : [...(present?.form === "bits" ? [present.segment] : []), ...open].filter(({ page }) => page.fits(keys));
    const known =
      usable.find(({ page }) => rules.rememberedOn(page, keys)) ??
      usable.find((segment) => segment === profile.segments[0] || keys.every((key) => segment.page.bitOf(key) !== undefined));
    if (known !== undefined) return { segment: known, form: "bits" };
    // A rule that is inline may grow to twice of what makes it so: it does not go back and forth.
    const few = limits.inlineAtOnce * (wasInline ? 2 : 1);
    if (first !== undefined && rules.fitsInline(variant, few)) return { segment: first, form: "inline" };
    const [roomy] = wasInline ? profile.segments.filter((segment) => hasPriority(segment) && segment.page.fits(keys)) : usable;
    if (roomy !== undefined) return { segment: roomy, form: "bits" };
    if (profile.segments.length < limits.rounds) {
      const page = pool.findRoomy(keys, new Set(profile.segments.map((segment) => segment.page)));
      const added = page.fits(keys) ? newSegment(page) : undefined;
      if (added !== undefined) {
        profile.segments.push(added);
        chain(profile);
        return { segment: added, form: "bits" };
      }
    }
    if (first !== undefined && rules.fitsInline(variant, limits.inlineFlowsOfRule)) return { segment: first, form: "inline" };
    return { segment: first ?? profile.segments[0], form: "refused", reason: noPlace };
  };

  const addRule = (profile: Profile, variant: RuleVariant): void => {
    const reason = rules.impossible(variant);
    const [first] = profile.segments;
    const found: RulePlace =
      reason === undefined ? place(profile, variant) : { segment: profile.segments.find(hasPriority) ?? first, form: "refused", reason };
    const before = profile.rules.get(variant.key);
    const { segment } = found;
    before?.segment.priorities.delete(before.priority);
    const priority = before?.segment === segment ? before.priority : priorityIn(profile, segment, rules.ruleIdOf(variant));
    segment.priorities.add(priority);
    rules.put(profile, variant, { ...found, priority });
  };
  const removeRule = (profile: Profile, rule: PlacedRule): void => {
    rule.segment.priorities.delete(rule.priority);
    rules.remove(profile, rule);
  };
  const retarget = (profile: Profile, wanted: RuleSet): void => {
    for (const variant of wanted.values()) if (!profile.rules.has(variant.key)) addRule(profile, variant);
    for (const rule of [...profile.rules.values()]) if (!wanted.has(rule.variant.key)) removeRule(profile, rule);
    tellDenied(profile, wanted);
  };
  const tellDenied = (profile: Profile, wanted: RuleSet): void => {
    const denial = [
      ...([...wanted.values()].some(({ rule }) => rule.logged !== undefined) ? ["log"] : []),
      ...([...wanted.values()].some(({ rule }) => rule.refusing) ? ["refuse"] : []),
    ].join();
    if (denial === (denials.get(profile) ?? "")) return;
    denials.set(profile, denial);
    chain(profile);
  };

  /**
   * Takes segments out of the chain, but the first, that had no rules when the switch had all flows: until then packets need them to get to those
   * behind.
   */
  const shorten = (profile: Profile): void => {
    const [first, ...others] = profile.segments;
    const idle = others.filter((segment) => settledIdle.has(segment) && segment.priorities.size === 0);
    if (idle.length === 0) return;
    profile.segments.splice(0, profile.segments.length, first, ...others.filter((segment) => !idle.includes(segment)));
    chain(profile);
    for (const segment of idle) freeSegment(segment);
  };

  const keysOf = (wanted: RuleSet): ReadonlySet<string> => new Set([...wanted.values()].flatMap((variant) => rules.expand(variant).keys));
  /** Pages to begin a profile with: those it had, one for all sets, or those that have many of them already. */
  const pagesFor = (keys: readonly string[], known: readonly SegmentNumbers[]): [SetPage, ...SetPage[]] => {
    const [first, ...others] = known.length > 1 || keys.length > limits.setsPerPage ? known.map(({ page }) => pool.page(page)) : [];
    if (first !== undefined) return [first, ...others];
    if (keys.length <= limits.setsPerPage) return [pool.find(keys, known[0]?.page)];
    const [most, ...further] = pool.sharing(keys);
    return [most ?? pool.findRoomy([], new Set()), ...further];
  };
  /** Whether the chain is about as short with these rules as one made for them alone would be. */
  const suits = ({ segments }: Profile, wanted: RuleSet): boolean => {
    const keys = keysOf(wanted);
    const needed = Math.max(1, Math.ceil(keys.size / limits.setsPerPage));
    return needed === 1 ? segments.length === 1 && segments[0].page.fits(keys) : segments.length <= 2 * needed;
  };

  const classes = createPortClasses({
    create(wanted, port) {
      const known = remembered?.[layer.name].ports[port] ?? [];
      const [page, ...further] = pagesFor([...keysOf(wanted)], known);
      const first = newSegment(page, known[0]?.id);
      if (first === undefined) return undefined;
      const profile: Profile = { segments: [first], signature: "", ports: new Set(), rules: new Map() };
      if (first.id === known[0]?.id)
        placesBefore.set(profile, new Map(remembered?.[layer.name].orders[first.id]?.map((place) => [place[0], place])));
      for (const [at, other] of further.slice(0, limits.rounds - 1).entries()) {
        const segment = newSegment(other, known[at + 1]?.id);
        if (segment !== undefined) profile.segments.push(segment);
      }
      chain(profile);
      retarget(profile, wanted);
      return profile;
    },
    change(profile, wanted) {
      if (!suits(profile, wanted)) return false;
      retarget(profile, wanted);
      return true;
    },
    again: addRule,
    free(profile) {
      for (const rule of [...profile.rules.values()]) removeRule(profile, rule);
      for (const segment of profile.segments) freeSegment(segment);
    },
  });

  return {
    classes,
    rules,
    begin() {
      if (settledIdle.size === 0) return;
      for (const profile of classes.profiles) shorten(profile);
      settledIdle.clear();
    },
    compileMembers({ groups, numbersOf: numbers }) {
      classes.compileNumbers(numbers);
      for (const [variant, where] of rules.followersOf(groups))
        for (const profile of where) if (profile.rules.has(variant.key)) addRule(profile, variant);
    },
    retryRefused() {
      for (const profile of classes.profiles)
        for (const { form, variant } of [...profile.rules.values()]) if (form === "refused") addRule(profile, variant);
    },
    settle() {
      for (const { segments } of classes.profiles)
        for (const [at, segment] of segments.entries()) if (at > 0 && segment.priorities.size === 0) settledIdle.add(segment);
      return settledIdle.size > 0;
    },
    allocations: () => classes.allocations(rules.allocationsOf),
  };
}
