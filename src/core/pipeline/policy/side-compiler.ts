import type { Direction } from "#core/api/controlplane/index.ts";
import { createIdPool, type IndexChanges, type IndexedMember, type MemberIndex, type SetPage } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import type { SideAllocations } from "./allocations.ts";
import { type Clause, clausesOf } from "./clauses.ts";
import { flowsOfPorts, withPeersInline } from "./inline-peers.ts";
import type { EncodingLimits } from "./limits.ts";
import { createPageLookups, type PageLookups } from "./page-lookups.ts";
import { createPagePool } from "./page-pool.ts";
import { compileIsolation, compileNextSegment, compilePortProfile, type SegmentNumbers, whenSegment } from "./port-flows.ts";
import {
  type ClassOfRules,
  type Expansion,
  type PeerForm,
  type PlacedRule,
  type Profile,
  type RuleSet,
  type RuleVariant,
  type Segment,
  sameRules,
} from "./profile.ts";
import { ruleCompiler } from "./rule-flows.ts";
import type { RuleIds } from "./rule-ids.ts";
import type { PolicySide } from "./sides.ts";

export interface SideCompilerOptions<Member extends IndexedMember> {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly families: readonly Family[];
  readonly ledger: FlowLedger;
  readonly index: MemberIndex<Member>;
  readonly ruleIds: RuleIds;
  readonly limits: EncodingLimits;
  readonly remembered?: SideAllocations | undefined;
}

/** What must be looked at again. */
export interface SideChange {
  /** Ports whose rules may have changed, with what holds for them now. */
  readonly ports: ReadonlyMap<string, PortSubject | undefined>;
  readonly members: IndexChanges;
}

export interface PortSubject {
  readonly port: LocalPort;
  readonly rules: ClassOfRules;
}

/** How much one direction needs beyond one page of peer sets for each pod. */
export interface SideFigures {
  readonly profiles: number;
  /** Segments of the profile that has most: as often are the lookup tables gone through for one packet, at most {@link EncodingLimits.rounds} times. */
  readonly rounds: number;
  /** Profiles with more than one segment. */
  readonly profilesWithRounds: number;
  /** Rules whose peers stand in their flows, in all profiles. */
  readonly inlineRules: number;
  readonly inlineFlows: number;
  /** Rules that allow nothing, because there was no place for their peers. */
  readonly refusedRules: number;
}

/** One direction of policy: classes of ports, pages of sets, and the flows they need. */
export interface SideCompiler {
  compile(change: SideChange): void;
  /** See {@link PolicyCompiler.settle}. */
  settle(): boolean;
  allocations(): SideAllocations;
  /** Why rules are refused, by their keys; what they allow stays closed. */
  refused(): ReadonlyMap<string, string>;
  figures(): SideFigures;
}

interface Place {
  readonly segment: Segment;
  readonly form: PeerForm;
  readonly reason: string | undefined;
}

const nothingExpanded: Expansion = { clauses: [], sets: [], keys: [] };

/** Segment 0 is what the registers hold before anything is loaded. */
const segmentIds = { first: 1, last: 0xffff };
const rulePriorities = { first: 1_000, last: 65_000 };
export function createSideCompiler<Member extends IndexedMember>(options: SideCompilerOptions<Member>): SideCompiler {
  const { pipeline, side, families, ledger, index, ruleIds, limits, remembered } = options;
  const ids = createIdPool({
    ...segmentIds,
    reserved: Object.values(remembered?.ports ?? {}).flatMap((chain) => chain.map(({ id }) => id)),
  });
  const pool = createPagePool({ setsPerPage: limits.setsPerPage, remembered: remembered?.bits });
  const lookups = new Map<SetPage, PageLookups>();
  const profiles = new Set<Profile>();
  const bySignature = new Map<string, Profile>();
  const profileOfPort = new Map<string, Profile>();
  /** What each port was given last. */
  const assigned = new Map<string, { readonly port: LocalPort; readonly segment: Segment | undefined | "free" }>();
  /** Rules that follow their groups' members: those with their peers inline, and those that had no place. By group. */
  const followers = new Map<string, Map<RuleVariant, Set<Profile>>>();
  const rememberedInline = new Set(remembered?.inline);
  const compileRule = ruleCompiler(pipeline, side, families);
  const settledIdle = new Set<Segment>();
  let inlineFlows = 0;
  let refusedRules = 0;
  /** Bits were given back since rules were refused for want of them. */
  let retryRefused = false;
  const noPlace = `the rules of one of its pods need more than ${limits.rounds * limits.setsPerPage} peer sets, and one has too many peers (more than ${limits.inlineFlowsOfRule} flows) to do without`;
  const owner = (kind: string, ...parts: readonly (string | number)[]): string => ownerName(side.direction, kind, ...parts);

  /** The clauses of a rule, kept as long as the rule is, unless its peers' named ports can change them. */
  const expand = (variant: RuleVariant): Expansion => {
    if (variant.expansion !== undefined) return variant.expansion;
    const clauses = clausesOf(variant.rule, variant.ownPorts, index);
    const sets = clauses.flatMap(({ peers }) => peers.flatMap((peer) => (peer.kind === "set" ? [peer.set] : [])));
    const expansion = { clauses, sets, keys: sets.length < 2 ? sets.map(({ key }) => key) : [...new Set(sets.map(({ key }) => key))] };
    if (variant.rule.peerNames.length === 0) variant.expansion = expansion;
    return expansion;
  };
  const rememberedOn = (page: SetPage, keys: readonly string[]): boolean =>
    keys.every((key) => remembered?.bits[page.id]?.[key] !== undefined);
  const hasPriority = ({ priorities }: Segment): boolean => priorities.size < rulePriorities.last - rulePriorities.first;

  const priorityIn = ({ priorities }: Segment, ruleId: number): number => {
    const span = rulePriorities.last - rulePriorities.first;
    let priority = rulePriorities.first + (ruleId % span);
    while (priorities.has(priority)) priority = priority < rulePriorities.last ? priority + 1 : rulePriorities.first;
    return priority;
  };

  const newSegment = (page: SetPage, preferredId?: number): Segment | undefined => {
    const id = ids.take(preferredId);
    return id === undefined ? undefined : { id, page, condition: whenSegment({ id, page: page.id }), priorities: new Set() };
  };
  const numbersOf = ({ id, page }: Segment) => ({ id, page: page.id });
  /** Writes what leads from segment to segment, and the isolation behind each. */
  const chain = ({ segments }: Profile): void => {
    for (const [place, segment] of segments.entries()) {
      const next = segments[place + 1];
      ledger.set(owner("segment", segment.id), [
        compileIsolation(pipeline, side, numbersOf(segment)),
        ...(next === undefined ? [] : [compileNextSegment(pipeline, side, numbersOf(segment), numbersOf(next))]),
      ]);
    }
  };
  const freeSegment = (segment: Segment): void => {
    ledger.remove(owner("segment", segment.id));
    ids.release(segment.id);
  };

  /** Where a rule's peers can be matched: in a segment that is there, inline, in a new segment. */
  const place = (profile: Profile, variant: RuleVariant): { readonly segment: Segment; readonly form: PeerForm } => {
    const { keys, clauses } = expand(variant);
    const open = profile.segments.filter(hasPriority);
    const present = profile.rules.get(variant.key);
    const [first] = open;
    if (keys.length === 0 && first !== undefined) return { segment: first, form: "bits" };
    const wasInline = present === undefined ? rememberedInline.has(variant.key) : present.form === "inline";
    const usable =
      keys.length === 0 || wasInline
        ? []
        : [...(present?.form === "bits" ? [present.segment] : []), ...open].filter(({ page }) => page.fits(keys));
    const known =
      usable.find(({ page }) => rememberedOn(page, keys)) ??
      usable.find((segment) => segment === profile.segments[0] || keys.every((key) => segment.page.bitOf(key) !== undefined));
    if (known !== undefined) return { segment: known, form: "bits" };
    // A rule that is inline may grow to twice of what makes it so: it does not go back and forth.
    const few = limits.inlineAtOnce * (wasInline ? 2 : 1);
    const mayBeInline = first !== undefined && inlineFlows < limits.inlineFlows;
    if (mayBeInline && withPeersInline(clauses, index, few) !== undefined) return { segment: first, form: "inline" };
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
    const [segment] = profile.segments;
    const inline = mayBeInline && withPeersInline(clauses, index, limits.inlineFlowsOfRule) !== undefined;
    return { segment: first ?? segment, form: inline ? "inline" : "refused" };
  };

  /** A rule that cannot be compiled is refused alone, and allows nothing. */
  const placeOrRefuse = (profile: Profile, variant: RuleVariant): Place => {
    const [first] = profile.segments;
    const refuse = (reason: string): Place => ({ segment: profile.segments.find(hasPriority) ?? first, form: "refused", reason });
    try {
      const { clauses } = expand(variant);
      const flows = clauses.reduce((sum, { peers, ports }) => sum + peers.length * flowsOfPorts(ports), 0);
      if (flows > limits.flowsOfRule) return refuse(`a rule needs ${flows} flows of at most ${limits.flowsOfRule}`);
      const found = place(profile, variant);
      return found.form === "refused" ? refuse(noPlace) : { ...found, reason: undefined };
    } catch (error) {
      return refuse(errorMessage(error));
    }
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

  const clausesIn = (variant: RuleVariant, form: PeerForm): readonly Clause[] => {
    if (form === "refused") return [];
    const { clauses } = expand(variant);
    return form === "bits" ? clauses : (withPeersInline(clauses, index, limits.inlineFlowsOfRule) ?? []);
  };

  const addRule = (profile: Profile, variant: RuleVariant): void => {
    const before = profile.rules.get(variant.key);
    const { segment, form, reason } = placeOrRefuse(profile, variant);
    const { sets } = form === "bits" ? expand(variant) : nothingExpanded;
    const { page } = segment;
    const taken = form !== "bits" ? [] : sets.filter((set) => page.take(set, remembered?.bits[page.id]?.[set.key]) !== undefined);
    if (before !== undefined) leavePlace(profile, before);
    const ruleId = ruleIds.idOf(variant.rule.key);
    const priority = before?.segment === segment ? before.priority : priorityIn(segment, ruleId);
    segment.priorities.add(priority);
    const bitOf = (key: string): number | undefined => page.bitOf(key);
    const flows = before?.flows ?? ledger.owner();
    flows.set(compileRule({ condition: segment.condition, bitOf, ruleId, priority, clauses: clausesIn(variant, form) }));
    if (form !== "bits") follow(profile, variant, true);
    if (form === "inline") inlineFlows += flows.flows().length;
    if (form === "refused") refusedRules++;
    profile.rules.set(variant.key, { variant, segment, form, priority, sets: taken.map(({ key }) => key), flows, reason });
  };

  const leavePlace = (profile: Profile, { variant, segment, form, priority, sets, flows }: PlacedRule): void => {
    for (const set of sets) segment.page.release(set);
    segment.priorities.delete(priority);
    if (form !== "bits") follow(profile, variant, false);
    if (form === "inline") inlineFlows -= flows.flows().length;
    if (form === "refused") refusedRules--;
  };

  const removeRule = (profile: Profile, rule: PlacedRule): void => {
    leavePlace(profile, rule);
    profile.rules.delete(rule.variant.key);
    rule.flows.set([]);
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
  const shortenAll = (): void => {
    if (settledIdle.size === 0) return;
    for (const profile of profiles) shorten(profile);
    settledIdle.clear();
  };

  const rename = (profile: Profile, signature: string): void => {
    if (bySignature.get(profile.signature) === profile) bySignature.delete(profile.signature);
    profile.signature = signature;
    bySignature.set(signature, profile);
  };

  const retarget = (profile: Profile, rules: RuleSet, signature: string): void => {
    rename(profile, signature);
    for (const variant of rules.values()) if (!profile.rules.has(variant.key)) addRule(profile, variant);
    for (const rule of [...profile.rules.values()]) if (!rules.has(rule.variant.key)) removeRule(profile, rule);
  };

  /** Pages to begin a profile with: those it had, one for all sets, or those that have many of them already. */
  const pagesFor = (keys: readonly string[], known: readonly SegmentNumbers[]): [SetPage, ...SetPage[]] => {
    const [first, ...others] = known.length > 1 || keys.length > limits.setsPerPage ? known.map(({ page }) => pool.page(page)) : [];
    if (first !== undefined) return [first, ...others];
    if (keys.length <= limits.setsPerPage) return [pool.find(keys, known[0]?.page)];
    const [most, ...further] = pool.sharing(keys);
    return [most ?? pool.findRoomy([], new Set()), ...further];
  };

  const createProfile = (rules: RuleSet, signature: string, port: string): Profile | undefined => {
    const known = remembered?.ports[port] ?? [];
    const keys = [...new Set([...rules.values()].flatMap((variant) => expand(variant).keys))];
    const [page, ...further] = pagesFor(keys, known);
    const first = newSegment(page, known[0]?.id);
    if (first === undefined) return undefined;
    const profile: Profile = { segments: [first], signature: "", ports: new Set(), rules: new Map() };
    for (const [place, other] of further.slice(0, limits.rounds - 1).entries()) {
      const segment = newSegment(other, known[place + 1]?.id);
      if (segment !== undefined) profile.segments.push(segment);
    }
    profiles.add(profile);
    chain(profile);
    retarget(profile, rules, signature);
    return profile;
  };

  const freeProfile = (profile: Profile): void => {
    for (const rule of [...profile.rules.values()]) removeRule(profile, rule);
    for (const segment of profile.segments) freeSegment(segment);
    if (bySignature.get(profile.signature) === profile) bySignature.delete(profile.signature);
    profiles.delete(profile);
  };

  /** A pod that no profile can be given stays without one, and so closed. */
  const assign = (port: LocalPort, profile: Profile | undefined | "free"): void => {
    const name = port.interfaceName;
    const after = profile === "free" ? undefined : profile;
    const before = profileOfPort.get(name);
    if (before !== after) before?.ports.delete(name);
    after?.ports.add(name);
    if (after === undefined) profileOfPort.delete(name);
    else profileOfPort.set(name, after);
    const segment = profile === "free" ? profile : profile?.segments[0];
    const last = assigned.get(name);
    if (last?.port === port && last.segment === segment && segment !== undefined) return;
    assigned.set(name, { port, segment });
    if (segment === undefined) ledger.remove(owner("port", name));
    else {
      const numbers = segment === "free" ? undefined : numbersOf(segment);
      ledger.set(owner("port", name), [compilePortProfile(pipeline, side, { port, segment: numbers })]);
    }
  };

  const unassign = (name: string): void => {
    profileOfPort.get(name)?.ports.delete(name);
    profileOfPort.delete(name);
    assigned.delete(name);
    ledger.remove(owner("port", name));
  };

  /** The profile with these rules, and the signature that such a one has: by chance another may have the class's own. */
  const withRules = ({ rules, signature }: ClassOfRules): { readonly profile: Profile | undefined; readonly signature: string } => {
    let free = signature;
    for (let found = bySignature.get(free); found !== undefined; found = bySignature.get(free)) {
      if (sameRules(found.rules, rules)) return { profile: found, signature: free };
      free = `${free}'`;
    }
    return { profile: undefined, signature: free };
  };

  /** Whether the chain is about as short with these rules as one made for them alone would be. */
  const suits = ({ segments }: Profile, rules: RuleSet): boolean => {
    const keys = new Set([...rules.values()].flatMap((variant) => expand(variant).keys));
    const needed = Math.max(1, Math.ceil(keys.size / limits.setsPerPage));
    return needed === 1 ? segments.length === 1 && segments[0].page.fits(keys) : segments.length <= 2 * needed;
  };

  const isFor = (profile: Profile, { rules, signature }: ClassOfRules): boolean =>
    profile.signature.startsWith(signature) && sameRules(rules, profile.rules);

  const compilePorts = (ports: SideChange["ports"]): void => {
    const moved = new Map<string, PortSubject>();
    const touched = new Set<Profile>();
    /** Profiles that a port leaves for good in this change: until the switch hears so, its packets ask them still. */
    const left = new Set<Profile>();
    for (const [name, subject] of ports) {
      const profile = profileOfPort.get(name);
      if (profile !== undefined) (subject === undefined ? left : touched).add(profile);
      if (subject === undefined) unassign(name);
      else moved.set(name, subject);
    }
    /** Those that come to rules from elsewhere: what the profile had before must be gone when they are told to ask it. */
    const coming = (profile: Profile, wanted: ClassOfRules): boolean => {
      for (const [name, { rules }] of moved)
        if (isSameClass(rules, wanted) && !profile.ports.has(name) && assigned.get(name)?.segment !== undefined) return true;
      return false;
    };
    for (const profile of touched) {
      // The profile can get other rules in place only when its ports are the same before and after: one that goes elsewhere asks it until its own
      // flow says so, and one that comes from elsewhere before all removals. Either would meet rules that it neither had nor gets.
      const wanted = left.has(profile) ? undefined : commonClass([...profile.ports].map((name) => moved.get(name)?.rules));
      if (wanted === undefined || wanted.rules.size === 0 || isFor(profile, wanted) || !suits(profile, wanted.rules)) continue;
      const { profile: present, signature } = withRules(wanted);
      if (present === undefined && !coming(profile, wanted)) retarget(profile, wanted.rules, signature);
    }
    // Only now, when no profile gets other rules any more.
    const found = new Map<ClassOfRules, Profile>();
    for (const [name, { port, rules }] of moved) {
      if (rules.rules.size === 0) assign(port, "free");
      else {
        let profile = found.get(rules);
        if (profile === undefined) {
          const { profile: present, signature } = withRules(rules);
          profile = present ?? createProfile(rules.rules, signature, name);
          if (profile !== undefined) found.set(rules, profile);
        }
        assign(port, profile);
      }
    }
    for (const profile of [...profiles]) if (profile.ports.size === 0) freeProfile(profile);
  };

  /** Named ports of peers have other numbers: the rules that name them are compiled again where they are. */
  const compileNumbers = (changed: ReadonlySet<string>): void => {
    if (changed.size === 0) return;
    for (const profile of profiles) {
      for (const { variant } of [...profile.rules.values()]) {
        const { peerNames, groups } = variant.rule;
        if (peerNames.length > 0 && groups.some((group) => changed.has(group))) addRule(profile, variant);
      }
    }
  };

  /** Rules that name their peers themselves, or had no place for them, follow the groups' members. */
  const compileFollowers = (groups: ReadonlySet<string>): void => {
    if (followers.size === 0) return;
    const due = new Map<RuleVariant, ReadonlySet<Profile>>();
    for (const group of groups) for (const [variant, where] of followers.get(group) ?? []) due.set(variant, new Set(where));
    for (const [variant, where] of due) for (const profile of where) if (profile.rules.has(variant.key)) addRule(profile, variant);
  };

  const compileRefused = (): void => {
    retryRefused = false;
    for (const profile of profiles)
      for (const { form, variant } of [...profile.rules.values()]) if (form === "refused") addRule(profile, variant);
  };

  const compileLookups = (members: IndexChanges): void => {
    for (const page of pool.pages()) {
      let tables = lookups.get(page);
      if (tables === undefined) {
        tables = createPageLookups({ pipeline, side, page, ledger });
        lookups.set(page, tables);
      }
      tables.compile(members, index);
    }
  };

  const placedRules = function* (): Generator<PlacedRule> {
    for (const { rules } of profiles) yield* rules.values();
  };
  return {
    compile({ ports, members }) {
      shortenAll();
      compilePorts(ports);
      compileNumbers(members.numbersOf);
      compileFollowers(members.groups);
      if (retryRefused) compileRefused();
      compileLookups(members);
    },
    settle() {
      ids.settle();
      const freed = pool.settle();
      retryRefused ||= freed && refusedRules > 0;
      for (const { segments } of profiles)
        for (const [place, segment] of segments.entries()) if (place > 0 && segment.priorities.size === 0) settledIdle.add(segment);
      return retryRefused || settledIdle.size > 0;
    },
    allocations() {
      const ports = [...profileOfPort].map(([name, { segments }]) => [name, segments.map(numbersOf)] as const);
      const bits = [...pool.pages()].map((page) => [page.id, Object.fromEntries(page.bits())] as const);
      const inline = new Set([...placedRules()].flatMap(({ form, variant }) => (form === "inline" ? [variant.key] : [])));
      return { ports: Object.fromEntries(ports), bits: Object.fromEntries(bits), inline: [...inline] };
    },
    refused: () =>
      new Map([...placedRules()].flatMap(({ reason, variant }) => (reason === undefined ? [] : [[variant.rule.key, reason] as const]))),
    figures() {
      const placed = [...placedRules()];
      const lengths = [...profiles].map(({ segments }) => segments.length);
      return {
        profiles: profiles.size,
        rounds: Math.max(0, ...lengths),
        profilesWithRounds: lengths.filter((length) => length > 1).length,
        inlineRules: placed.filter(({ form }) => form === "inline").length,
        inlineFlows,
        refusedRules,
      };
    },
  };
}

const ownerName = (direction: Direction, kind: string, ...parts: readonly (string | number)[]): string =>
  [`policy${direction}`, kind, ...parts].join("/");

/** Who owns the flow in the ledger that gives a port its profile. */
export const portOwner = (direction: Direction, interfaceName: string): string => ownerName(direction, "port", interfaceName);

const isSameClass = (one: ClassOfRules, other: ClassOfRules): boolean =>
  one === other || (one.signature === other.signature && sameRules(one.rules, other.rules));

/** The class that all of them are; undefined when two differ, or one is not known. */
function commonClass([first, ...others]: readonly (ClassOfRules | undefined)[]): ClassOfRules | undefined {
  return first !== undefined && others.every((other) => other !== undefined && isSameClass(other, first)) ? first : undefined;
}
