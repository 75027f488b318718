import type { Direction } from "#core/api/controlplane/index.ts";
import {
  bitsPerPage,
  createIdPool,
  createSetPage,
  type HeldAddress,
  type MemberIndex,
  type PeerSet,
  type SetPage,
} from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import type { SideAllocations } from "./allocations.ts";
import { type Clause, clausesOf } from "./clauses.ts";
import { compileIsolation, compilePortProfile, lookupCompiler } from "./lookup-flows.ts";
import type { ClassOfRules, Profile, RuleSet, RuleVariant } from "./profile.ts";
import { compileRule } from "./rule-flows.ts";
import type { RuleIds } from "./rule-ids.ts";
import type { PolicySide } from "./sides.ts";

export interface SideCompilerOptions {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly families: readonly Family[];
  readonly ledger: FlowLedger;
  readonly index: MemberIndex;
  readonly ruleIds: RuleIds;
  readonly remembered?: SideAllocations | undefined;
}

/** What must be looked at again. */
export interface SideChange {
  /** Ports whose rules may have changed, with what holds for them now. */
  readonly ports: ReadonlyMap<string, PortSubject | undefined>;
  readonly addresses: readonly HeldAddress[];
  /** Groups whose members' named ports have other numbers now. */
  readonly numbersOf: ReadonlySet<string>;
}

export interface PortSubject {
  readonly port: LocalPort;
  readonly rules: ClassOfRules;
}

interface Expansion {
  readonly clauses: readonly Clause[];
  readonly sets: readonly PeerSet[];
}

const nothingExpanded: Expansion = { clauses: [], sets: [] };

/** One direction of policy: classes of ports, pages of sets, and the flows they need. */
export interface SideCompiler {
  compile(change: SideChange): void;
  settle(): void;
  allocations(): SideAllocations;
  /** Rules that need more sets than a page holds; what they allow stays closed. */
  overflowing(): ReadonlySet<string>;
}

/** Profile 0 is what the registers hold before anything is loaded. */
const profileIds = { first: 1, last: 0xffff };
const lastPage = 0xffff;
const rulePriorities = { first: 1_000, last: 65_000 };

export function createSideCompiler(options: SideCompilerOptions): SideCompiler {
  const { pipeline, side, families, ledger, index, ruleIds, remembered } = options;
  const pool = createIdPool(profileIds);
  const pages = new Map<number, SetPage>();
  const profiles = new Map<number, Profile>();
  const bySignature = new Map<string, Profile>();
  const profileOfPort = new Map<string, Profile>();
  const expansions = new WeakMap<RuleVariant, Expansion>();
  /** What each port was given last. */
  const assigned = new Map<string, { readonly port: LocalPort; readonly profile: Profile | undefined | "free" }>();
  /** Rule keys by profile and variant. */
  const overflowing = new Map<string, string>();
  const owner = (kind: string, ...parts: readonly (string | number)[]): string => ownerName(side.direction, kind, ...parts);

  const pageOf = (id: number): SetPage => {
    const page = pages.get(id) ?? createSetPage(id);
    pages.set(id, page);
    return page;
  };

  /** The page that holds, or can take, all `sets`: the preferred one, then the others, then a new one. */
  const findPage = (sets: readonly string[], preferred: number | undefined): SetPage => {
    const candidates = [...(preferred === undefined ? [] : [pageOf(preferred)]), ...pages.values()];
    const fitting = candidates.find((page) => page.fits(sets));
    if (fitting !== undefined) return fitting;
    let id = 0;
    while (pages.has(id) && id < lastPage) id++;
    return pageOf(id);
  };

  /** The clauses of a rule, kept as long as the rule is, unless its peers' named ports can change them. */
  const expand = (variant: RuleVariant): Expansion => {
    const known = expansions.get(variant);
    if (known !== undefined) return known;
    const clauses = clausesOf(variant.rule, variant.ownPorts, index);
    const sets = clauses.flatMap(({ peers }) => peers.flatMap((peer) => (peer.kind === "set" ? [peer.set] : [])));
    const expansion = { clauses, sets };
    if (variant.rule.peerNames.length === 0) expansions.set(variant, expansion);
    return expansion;
  };

  /** The rules whose sets together fit into one page, and the keys of those sets. */
  const within = (rules: RuleSet): { readonly sets: string[]; readonly excess: Set<string> } => {
    const sets = new Set<string>();
    const excess = new Set<string>();
    for (const variant of rules.values()) {
      const missing = expand(variant).sets.filter(({ key }) => !sets.has(key));
      if (sets.size + missing.length > bitsPerPage) excess.add(variant.key);
      else for (const { key } of missing) sets.add(key);
    }
    return { sets: [...sets], excess };
  };

  const priorityIn = (profile: Profile, ruleId: number): number => {
    const span = rulePriorities.last - rulePriorities.first;
    let priority = rulePriorities.first + (ruleId % span);
    while (profile.usedPriorities.has(priority)) priority = priority < rulePriorities.last ? priority + 1 : rulePriorities.first;
    return priority;
  };

  const addRule = (profile: Profile, variant: RuleVariant, excess: ReadonlySet<string>): void => {
    const page = pageOf(profile.page);
    const ruleId = ruleIds.idOf(variant.rule.key);
    const { clauses, sets } = excess.has(variant.key) ? nothingExpanded : expand(variant);
    const before = profile.sets.get(variant.key) ?? [];
    const taken = sets.filter((set) => page.take(set, remembered?.bits[page.id]?.[set.key]) !== undefined);
    for (const key of before) page.release(key);
    const place = owner("rule", profile.id, variant.key);
    if (taken.length < sets.length || excess.has(variant.key)) overflowing.set(place, variant.rule.key);
    else overflowing.delete(place);
    const priority = profile.priorities.get(variant.key) ?? priorityIn(profile, ruleId);
    profile.rules.set(variant.key, variant);
    profile.sets.set(
      variant.key,
      taken.map((set) => set.key),
    );
    profile.priorities.set(variant.key, priority);
    profile.usedPriorities.add(priority);
    const flows = compileRule({ pipeline, side, families, page, profile: profile.id, ruleId, priority, clauses });
    ledger.set(place, flows);
  };

  const removeRule = (profile: Profile, key: string): void => {
    for (const set of profile.sets.get(key) ?? []) pageOf(profile.page).release(set);
    profile.rules.delete(key);
    profile.sets.delete(key);
    profile.usedPriorities.delete(profile.priorities.get(key) ?? 0);
    profile.priorities.delete(key);
    overflowing.delete(owner("rule", profile.id, key));
    ledger.remove(owner("rule", profile.id, key));
  };

  const retarget = (profile: Profile, rules: RuleSet, signature: string, excess: ReadonlySet<string>): void => {
    bySignature.delete(profile.signature);
    profile.signature = signature;
    bySignature.set(signature, profile);
    for (const variant of rules.values())
      if (!profile.rules.has(variant.key) || overflowing.has(owner("rule", profile.id, variant.key))) addRule(profile, variant, excess);
    for (const key of [...profile.rules.keys()]) if (!rules.has(key)) removeRule(profile, key);
  };

  const createProfile = (rules: RuleSet, signature: string, port: string): Profile | undefined => {
    const [preferredId, preferredPage] = remembered?.ports[port] ?? [];
    const { sets, excess } = within(rules);
    const page = findPage(sets, preferredPage);
    const id = pool.take(preferredId);
    if (id === undefined) return undefined;
    const profile: Profile = {
      id,
      page: page.id,
      signature,
      ports: new Set(),
      rules: new Map(),
      priorities: new Map(),
      usedPriorities: new Set(),
      sets: new Map(),
    };
    profiles.set(id, profile);
    retarget(profile, rules, signature, excess);
    ledger.set(owner("isolation", id), [compileIsolation(pipeline, side, id)]);
    return profile;
  };

  const freeProfile = (profile: Profile): void => {
    for (const key of [...profile.rules.keys()]) removeRule(profile, key);
    ledger.remove(owner("isolation", profile.id));
    if (bySignature.get(profile.signature) === profile) bySignature.delete(profile.signature);
    profiles.delete(profile.id);
    pool.release(profile.id);
  };

  /** A pod that no profile can be given stays without one, and so closed. */
  const assign = (port: LocalPort, profile: Profile | undefined | "free"): void => {
    const name = port.interfaceName;
    const last = assigned.get(name);
    if (last?.port === port && last.profile === profile && profile !== undefined) return;
    assigned.set(name, { port, profile });
    const before = profileOfPort.get(name);
    const after = profile === "free" ? undefined : profile;
    if (before !== after) before?.ports.delete(name);
    after?.ports.add(name);
    if (after === undefined) profileOfPort.delete(name);
    else profileOfPort.set(name, after);
    if (profile === undefined) ledger.remove(owner("port", name));
    else
      ledger.set(owner("port", name), [compilePortProfile(pipeline, side, { port, ...(after === undefined ? {} : { profile: after }) })]);
  };

  const unassign = (name: string): void => {
    profileOfPort.get(name)?.ports.delete(name);
    profileOfPort.delete(name);
    assigned.delete(name);
    ledger.remove(owner("port", name));
  };

  /** Moves a class of ports to `signature` as one, when all of its ports go there: then only the rules that differ change. */
  const moveWhole = (profile: Profile, signature: string, rules: RuleSet): boolean => {
    if (bySignature.has(signature)) return false;
    const { sets, excess } = within(rules);
    if (!pageOf(profile.page).fits(sets)) return false;
    retarget(profile, rules, signature, excess);
    return true;
  };

  const compilePorts = (ports: SideChange["ports"]): void => {
    const moved = new Map<string, ClassOfRules & { readonly subject: PortSubject }>();
    for (const [name, subject] of ports) {
      if (subject === undefined) {
        unassign(name);
        continue;
      }
      moved.set(name, { subject, ...subject.rules });
    }
    for (const profile of [...profiles.values()]) {
      const leaving = [...profile.ports].filter((name) => moved.has(name) && moved.get(name)?.signature !== profile.signature);
      if (leaving.length === 0 || leaving.length < profile.ports.size) continue;
      const largest = mostFrequent(leaving.map((name) => moved.get(name)?.signature ?? "").filter((signature) => signature !== ""));
      const rules = largest === undefined ? undefined : [...moved.values()].find(({ signature }) => signature === largest)?.rules;
      if (largest !== undefined && rules !== undefined) moveWhole(profile, largest, rules);
    }
    for (const [name, { subject, rules, signature }] of moved) {
      if (rules.size === 0) assign(subject.port, "free");
      else assign(subject.port, bySignature.get(signature) ?? createProfile(rules, signature, name));
    }
    for (const profile of [...profiles.values()]) if (profile.ports.size === 0) freeProfile(profile);
  };

  /** Named ports of peers have other numbers: the rules that name them are compiled again where they are. */
  const compileNumbers = (numbersOf: ReadonlySet<string>): void => {
    if (numbersOf.size === 0) return;
    for (const profile of profiles.values()) {
      const concerned = [...profile.rules.values()].filter(
        ({ rule }) => rule.peerNames.length > 0 && rule.groups.some((group) => numbersOf.has(group)),
      );
      if (concerned.length === 0) continue;
      const { excess } = within(profile.rules);
      for (const variant of concerned) addRule(profile, variant, excess);
    }
  };

  const compileLookups = (addresses: readonly HeldAddress[]): void => {
    for (const page of pages.values()) {
      const concerned = new Set(addresses);
      for (const group of page.takeChangedGroups()) for (const address of index.addressesOf(group)) concerned.add(address);
      const prefix = owner("member", page.id, "");
      const lookups = lookupCompiler(pipeline, side, page.id);
      for (const held of concerned) {
        const bits = page.memberBits(held);
        ledger.set(prefix + held.key, bits === 0n ? [] : [lookups.member(held.address, bits)]);
      }
      const blocks = page.takeChangedBlocks();
      if (blocks === undefined) continue;
      ledger.set(owner("blocks", page.id), blocks.map(lookups.block));
    }
  };

  return {
    compile({ ports, addresses, numbersOf }) {
      compilePorts(ports);
      compileNumbers(numbersOf);
      compileLookups(addresses);
    },
    settle() {
      pool.settle();
      for (const page of pages.values()) page.settle();
    },
    allocations() {
      const ports = [...profileOfPort].map(([name, { id, page }]) => [name, [id, page] as const] as const);
      const bits = [...pages.values()].map((page) => [page.id, Object.fromEntries(page.bits())] as const);
      return { ports: Object.fromEntries(ports), bits: Object.fromEntries(bits) };
    },
    overflowing: () => new Set(overflowing.values()),
  };
}

const ownerName = (direction: Direction, kind: string, ...parts: readonly (string | number)[]): string =>
  [`policy${direction}`, kind, ...parts].join("/");

/** Who owns the flow in the ledger that gives a port its profile. */
export const portOwner = (direction: Direction, interfaceName: string): string => ownerName(direction, "port", interfaceName);

function mostFrequent(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1))[0]?.[0];
}
