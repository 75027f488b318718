import type { IndexedMember, SetPage } from "#core/sets/index.ts";
import type { LayerAllocations } from "./allocations.ts";
import type { LayerCompiler, SegmentIds } from "./layer-compiler.ts";
import type { SegmentNumbers } from "./layers.ts";
import { compareRules } from "./lowered-rule.ts";
import type { PagePool } from "./page-pool.ts";
import { createPlacedRules, type LayerOptions } from "./placed-rules.ts";
import { createPortClasses } from "./port-classes.ts";
import { compileNextSegment } from "./port-flows.ts";
import type { PlacedRule, Profile, RulePlace, RuleSet, RuleVariant, Segment } from "./profile.ts";
import { createRuleOrder, type RuleOrder } from "./rule-order.ts";

/** There is one number more than rules at most ({@link EncodingLimits}). */
const rulePriorities = { first: 1_000, last: 65_000 };

/** A rule, and its priority among those of its profile. */
interface RuleInOrder {
  readonly variant: RuleVariant;
  priority: number;
  place: RulePlace;
}

const compareInOrder = (one: RuleInOrder, other: RuleInOrder): number => compareRules(one.variant.rule, other.variant.rule);

/**
 * Rules that stand in one order, as those of tiers and of the baseline: the first that matches decides. Segments are runs of that order, and they
 * are those that a profile began with: rules that do not fit in make another profile, so that what packets meet changes rule by rule, in order, or
 * all at once by the port's own flow.
 */
export function createOrderedLayer<Member extends IndexedMember>(
  options: LayerOptions<Member> & { readonly ids: SegmentIds; readonly pool: PagePool; readonly rounds: number },
): LayerCompiler {
  const { pipeline, layer, ledger, limits, remembered, ids, pool, rounds } = options;
  const rules = createPlacedRules({ ...options, releaseLate: true, remembersPriority: () => true });
  const orders = new Map<Profile, RuleOrder<RuleInOrder>>();
  const known: LayerAllocations | undefined = remembered?.[layer.name];
  const noPlace = `the rules before it need more than ${rounds * limits.setsPerPage} peer sets, and it has too many peers (more than ${limits.inlineFlowsOfRule} flows) to do without`;
  const owner = ({ id }: Segment): string => `policy${layer.side.direction}/segment/${id}`;

  const newSegment = (page: SetPage, preferredId?: number): Segment | undefined => {
    const id = ids.take(preferredId);
    return id === undefined ? undefined : { id, page, condition: layer.whenSegment({ id, page: page.id }), priorities: new Set() };
  };
  const chain = ({ segments }: Profile): void => {
    for (const [place, { id, page }] of segments.entries()) {
      const [segment, next] = [segments[place], segments[place + 1]];
      if (segment !== undefined && next !== undefined)
        ledger.set(owner(segment), [compileNextSegment(pipeline, layer, { id, page: page.id }, { id: next.id, page: next.page.id })]);
    }
  };

  /** The place of a rule in a segment, as long as the page has room for all that was planned for it. */
  const createPlan = () => {
    const wanted = new Map<SetPage, Set<string>>();
    return {
      fits({ page }: Segment, keys: readonly string[]): boolean {
        const planned = wanted.get(page);
        return page.fits(planned === undefined ? keys : new Set([...planned, ...keys]));
      },
      place(segment: Segment, keys: readonly string[]): RulePlace {
        const planned = wanted.get(segment.page) ?? new Set<string>();
        wanted.set(segment.page, planned);
        // What has a bit already needs none.
        for (const key of keys) if (segment.page.bitOf(key) === undefined) planned.add(key);
        return { segment, form: "bits" };
      },
    };
  };

  /** Lays rules out one after the other over segments that are made as they are needed. */
  const layOut = (profile: Profile, sorted: readonly RuleVariant[]): RuleInOrder[] => {
    const plan = createPlan();
    let [segment]: readonly Segment[] = profile.segments;
    return sorted.map((variant): RuleInOrder => {
      const inOrder = (place: RulePlace): RuleInOrder => ({ variant, priority: 0, place });
      const current = segment ?? profile.segments[0];
      const impossible = rules.impossible(variant);
      if (impossible !== undefined) return inOrder({ segment: current, form: "refused", reason: impossible });
      const { keys } = rules.expand(variant);
      if (!rules.wasInline(variant) && plan.fits(current, keys)) return inOrder(plan.place(current, keys));
      if (rules.fitsInline(variant, limits.inlineAtOnce)) return inOrder({ segment: current, form: "inline" });
      if (plan.fits(current, keys)) return inOrder(plan.place(current, keys));
      if (profile.segments.length < rounds) {
        const page = pool.findRoomy(keys, new Set(profile.segments.map((other) => other.page)));
        const added = page.fits(keys) ? newSegment(page) : undefined;
        if (added !== undefined) {
          profile.segments.push(added);
          segment = added;
          return inOrder(plan.place(added, keys));
        }
      }
      if (rules.fitsInline(variant, limits.inlineFlowsOfRule)) return inOrder({ segment: current, form: "inline" });
      return inOrder({ segment: current, form: "refused", reason: noPlace });
    });
  };

  /** What the switch has from before a restart, for those of the rules that were there; undefined when that fits nothing of now. */
  const asRemembered = (profile: Profile, sorted: readonly RuleVariant[], kept: readonly SegmentNumbers[]): RuleInOrder[] | undefined => {
    const [first] = profile.segments;
    const places = new Map((known?.orders[first.id] ?? []).map((place) => [place[0], place]));
    if (places.size === 0 || kept[0]?.id !== first.id) return undefined;
    const segments: [Segment, ...Segment[]] = [first];
    for (const { id, page } of kept.slice(1)) {
      const segment = newSegment(pool.page(page), id);
      if (segment !== undefined) segments.push(segment);
    }
    const plan = createPlan();
    const found: RuleInOrder[] = [];
    let [above, at] = [Number.POSITIVE_INFINITY, 0];
    for (const variant of sorted) {
      const place = places.get(rules.ruleIdOf(variant));
      if (place === undefined) continue;
      const [, priority, number] = place;
      const segment = segments[number];
      const keys = rules.impossible(variant) === undefined ? rules.expand(variant).keys : undefined;
      const isRight = segment !== undefined && keys !== undefined && priority < above && number >= at;
      const inline = rules.wasInline(variant);
      if (!isRight || (!inline && !plan.fits(segment, keys))) {
        for (const other of segments.slice(1)) ids.release(other);
        return undefined;
      }
      [above, at] = [priority, number];
      found.push({ variant, priority, place: inline ? { segment, form: "inline" } : plan.place(segment, keys) });
    }
    profile.segments.push(...segments.slice(1));
    return found;
  };

  /** Where rules that come to a profile can stand between those that are there; undefined when one cannot. */
  const planChange = (profile: Profile, wanted: RuleSet, order: RuleOrder<RuleInOrder>): RuleInOrder[] | undefined => {
    const plan = createPlan();
    const added: RuleInOrder[] = [];
    const fresh = [...wanted.values()]
      .filter(({ key }) => !profile.rules.has(key))
      .map((variant): RuleInOrder => ({ variant, priority: 0, place: { segment: profile.segments[0], form: "refused" } }))
      .sort(compareInOrder);
    if (order.items.length + fresh.length > limits.orderedRules) return undefined;
    for (const rule of fresh) {
      const at = order.placeOf(rule);
      const earlier = added.at(-1);
      const present = order.items[at - 1];
      // The nearest before it: one that is there, or one that comes with it.
      const before = present === undefined || (earlier !== undefined && compareInOrder(present, earlier) < 0) ? earlier : present;
      const from = before === undefined ? 0 : profile.segments.indexOf(before.place.segment);
      const behind = order.items[at];
      const to = behind === undefined ? profile.segments.length - 1 : profile.segments.indexOf(behind.place.segment);
      const [first = profile.segments[0], ...others] = profile.segments.slice(from, to + 1);
      const reason = rules.impossible(rule.variant);
      if (reason !== undefined) rule.place = { segment: first, form: "refused", reason };
      else {
        const { keys } = rules.expand(rule.variant);
        const segment = [first, ...others].find((each) => plan.fits(each, keys));
        if (segment !== undefined) rule.place = plan.place(segment, keys);
        else if (rules.fitsInline(rule.variant, limits.inlineAtOnce)) rule.place = { segment: first, form: "inline" };
        else return undefined;
      }
      added.push(rule);
    }
    return added;
  };

  const put = (profile: Profile, { variant, place, priority }: RuleInOrder): PlacedRule =>
    rules.put(profile, variant, { ...place, priority });
  const insert = (profile: Profile, order: RuleOrder<RuleInOrder>, rule: RuleInOrder): void => {
    for (const { variant, priority } of order.insert(rule)) {
      const moved = profile.rules.get(variant.key);
      if (moved === undefined) continue;
      moved.priority = priority;
      rules.rewrite(moved);
    }
    put(profile, rule);
  };
  const remove = (profile: Profile, order: RuleOrder<RuleInOrder>, rule: PlacedRule): void => {
    order.remove({ variant: rule.variant, priority: rule.priority, place: rule });
    rules.remove(profile, rule);
  };
  const change = (profile: Profile, wanted: RuleSet): boolean => {
    const order = orders.get(profile);
    const added = order === undefined ? undefined : planChange(profile, wanted, order);
    if (order === undefined || added === undefined) return false;
    for (const rule of added) insert(profile, order, rule);
    for (const rule of [...profile.rules.values()]) if (!wanted.has(rule.variant.key)) remove(profile, order, rule);
    return true;
  };
  /** A rule where it stands, when what it matches has changed. */
  const again = (profile: Profile, variant: RuleVariant): void => {
    const present = profile.rules.get(variant.key);
    if (present === undefined) return;
    const { segment, priority } = present;
    const reason = rules.impossible(variant);
    const keys = reason === undefined ? rules.expand(variant).keys : [];
    const inlineAtMost = present.form === "inline" ? limits.inlineAtOnce * 2 : 0;
    const place = ((): RulePlace => {
      if (reason !== undefined) return { segment, form: "refused", reason };
      if (rules.fitsInline(variant, inlineAtMost)) return { segment, form: "inline" };
      if (segment.page.fits(keys)) return { segment, form: "bits" };
      if (rules.fitsInline(variant, limits.inlineFlowsOfRule)) return { segment, form: "inline" };
      return { segment, form: "refused", reason: noPlace };
    })();
    rules.put(profile, variant, { ...place, priority });
  };

  const freeProfile = (profile: Profile): void => {
    for (const rule of [...profile.rules.values()]) rules.remove(profile, rule);
    for (const segment of profile.segments) {
      ledger.remove(owner(segment));
      ids.release(segment);
    }
    orders.delete(profile);
  };
  /** A profile of these rules as they are laid out by `places`; undefined when it says so, or no number is left. */
  const begin = (
    page: SetPage,
    id: number | undefined,
    places: (profile: Profile) => { readonly rules: readonly RuleInOrder[]; readonly keep: boolean } | undefined,
  ): Profile | undefined => {
    const first = newSegment(page, id);
    if (first === undefined) return undefined;
    const profile: Profile = { segments: [first], signature: "", ports: new Set(), rules: new Map() };
    const found = places(profile);
    if (found === undefined) {
      freeProfile(profile);
      return undefined;
    }
    const order = createRuleOrder(compareInOrder, rulePriorities);
    orders.set(profile, order);
    order.fill(found.rules, found);
    chain(profile);
    for (const rule of found.rules) put(profile, rule);
    return profile;
  };
  const classes = createPortClasses({
    create(wanted, port) {
      if (wanted.size > limits.orderedRules) return undefined;
      const kept = known?.ports[port] ?? [];
      const sorted = [...wanted.values()].sort((one, other) => compareRules(one.rule, other.rule));
      const [last] = kept;
      if (last !== undefined) {
        const again = begin(pool.page(last.page), last.id, (profile) => {
          const found = asRemembered(profile, sorted, kept);
          return found === undefined ? undefined : { rules: found, keep: true };
        });
        if (again !== undefined && change(again, wanted)) return again;
        // What has come since does not fit in: all anew.
        if (again !== undefined) freeProfile(again);
      }
      const keys = new Set(sorted.flatMap((variant) => (rules.impossible(variant) === undefined ? rules.expand(variant).keys : [])));
      const page = keys.size > limits.setsPerPage ? pool.findRoomy([], new Set()) : pool.find([...keys], last?.page);
      return begin(page, undefined, (profile) => ({ rules: layOut(profile, sorted), keep: false }));
    },
    change,
    again,
    free: freeProfile,
  });
  return {
    classes,
    rules,
    begin() {},
    compileMembers({ groups, numbersOf }) {
      classes.compileNumbers(numbersOf);
      for (const [variant, where] of rules.followersOf(groups)) for (const profile of where) again(profile, variant);
    },
    retryRefused() {
      for (const profile of classes.profiles)
        for (const { form: peers, variant } of [...profile.rules.values()]) if (peers === "refused") again(profile, variant);
    },
    settle: () => false,
    allocations: () => classes.allocations(rules.allocationsOf),
  };
}
