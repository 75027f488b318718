import type { Family, IpAddress } from "#lib/ip/index.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import type { AddressAnswer } from "./answer.ts";
import { type FqdnLimits, fqdnLimits, retryFirst, retryLongest } from "./limits.ts";
import { createNameIndex, type PatternUse } from "./name-index.ts";
import { parsePattern } from "./pattern.ts";
import { type AddressKey, type AddressRow, addressKey, type LearnedFrom, type NameRow, refreshTime } from "./rows.ts";
import { createSetMembers, type FqdnPatch } from "./set-members.ts";
import type { FqdnSnapshot } from "./snapshot.ts";

export type { AddressRow, LearnedFrom, NameRow } from "./rows.ts";
export type { FqdnPatch } from "./set-members.ts";
export type { FqdnSnapshot } from "./snapshot.ts";

/** A list of patterns that rules share: its members are the addresses of all names that one of the patterns matches. */
export interface FqdnSet {
  readonly patterns: readonly string[];
  /** A rule that denies uses it: an answer about its names must not reach a pod before it is in force. */
  readonly denies: boolean;
}

/** What an answer means to the rules. */
export interface Learned {
  readonly patches: readonly FqdnPatch[];
  /** Whether a rule names what the answer is about. */
  readonly matched: boolean;
  /** Whether a rule that denies does. */
  readonly denied: boolean;
  /** When the patches of this {@link FqdnCache.revision} and all before are in force, the client may have the answer. 0: nothing to wait for. */
  readonly revision: number;
}

/** A name that is to be asked for. */
export interface DueName {
  readonly name: string;
  readonly families: readonly Family[];
}

export interface FqdnFigures {
  readonly names: number;
  readonly addresses: number;
  /** Names that went for want of room, by the limit that had no more: of one wildcard, of all. */
  readonly evicted: { readonly selector_limit: number; readonly total_limit: number };
  /** Addresses that went because their name has too many. */
  readonly addressesDropped: number;
}

/**
 * Which addresses names stand for, and which of them belong to which set of patterns. Pure; `now` is the wall clock in milliseconds, as times must mean
 * the same after a restart. All changes of members come back as patches.
 */
export interface FqdnCache {
  /** Declares a set or changes it; the patches have the addresses that are known already. */
  setSet(id: string, set: FqdnSet, now: number): readonly FqdnPatch[];
  removeSet(id: string, now: number): void;
  /** All sets of now are declared: what an earlier run knew of other names is dropped. */
  complete(): void;
  /**
   * Takes in an answer: its addresses stay until their TTL (or `minTtl`) is over; those of the name that are past it and are not in the answer go,
   * unless `inUse` says that a live connection has them.
   */
  learn(
    answer: AddressAnswer,
    options: { readonly from: LearnedFrom; readonly now: number; readonly inUse?: (address: IpAddress) => boolean },
  ): Learned;
  /** Whether addresses of the name are past their time and not in the answer: learning it drops them, but for those in use. */
  lacks(answer: AddressAnswer, now: number): boolean;
  /** Names to be asked for now. Each is told once, and again after a growing pause unless an answer comes. */
  due(now: number, atMost: number): readonly DueName[];
  members(id: string): readonly IpAddress[];
  /** Counts up with every change of any set's members. */
  readonly revision: number;
  /** What is known, by name; with `pattern`, of names that it matches. */
  rows(pattern?: string): readonly NameRow[];
  /** Patterns under which no address was ever seen, and since when they are there. */
  neverSeen(): readonly { readonly pattern: string; readonly since: number }[];
  figures(): FqdnFigures;
  snapshot(): FqdnSnapshot;
}

export interface FqdnCacheOptions {
  /** `fqdnCacheMinTTL`. */
  readonly minTtl?: Duration;
  readonly limits?: FqdnLimits;
  /** What an earlier run knew. A name of it counts from the moment that a set asks for it. */
  readonly known?: FqdnSnapshot | undefined;
}

interface NameEntry {
  readonly name: string;
  uses: ReadonlySet<PatternUse>;
  sets: ReadonlySet<string>;
  readonly addresses: Map<AddressKey, AddressRow>;
  /** When it is to be asked for. */
  askAt: number;
  retry: Duration;
}

export function createFqdnCache({ minTtl = 0, limits = fqdnLimits, known }: FqdnCacheOptions = {}): FqdnCache {
  const index = createNameIndex(limits);
  const members = createSetMembers();
  const sets = new Map<string, FqdnSet>();
  /** In the order of their last use by a pod, the longest ago first. */
  const names = new Map<string, NameEntry>();
  /** Of an earlier run, not asked for by a set so far. */
  const former = new Map((known?.names ?? []).map((row) => [row.name, row]));
  const evicted = { selector_limit: 0, total_limit: 0 };
  const counts = { addresses: 0, discovered: 0, addressesDropped: 0 };

  const put = (entry: NameEntry, row: AddressRow): void => {
    const key = addressKey(row.address);
    const before = entry.addresses.get(key);
    entry.addresses.set(key, before === undefined ? row : { ...row, expires: Math.max(before.expires, row.expires) });
    if (before !== undefined) return;
    counts.addresses++;
    for (const set of entry.sets) members.join(set, row.address);
  };
  const drop = (entry: NameEntry, { address }: AddressRow): void => {
    if (!entry.addresses.delete(addressKey(address))) return;
    counts.addresses--;
    for (const set of entry.sets) members.leave(set, address);
  };
  /** Brings a name's patterns and sets up to date; one that is of no pattern is forgotten. */
  const settle = (entry: NameEntry, uses: ReadonlySet<PatternUse>): void => {
    const before = entry.sets;
    counts.discovered += Number(isDiscovered(uses)) - Number(isDiscovered(entry.uses));
    for (const use of entry.uses) if (!uses.has(use)) use.names.delete(entry.name);
    for (const use of uses) use.names.add(entry.name);
    entry.uses = uses;
    entry.sets = new Set([...uses].flatMap((use) => [...use.sets]));
    for (const { address } of entry.addresses.values()) {
      for (const set of entry.sets) if (!before.has(set)) members.join(set, address);
      for (const set of before) if (!entry.sets.has(set)) members.leave(set, address);
    }
    if (uses.size > 0) return;
    counts.addresses -= entry.addresses.size;
    names.delete(entry.name);
  };
  const track = (name: string, uses: ReadonlySet<PatternUse>, now: number): NameEntry => {
    const entry: NameEntry = { name, uses: noUses, sets: new Set(), addresses: new Map(), askAt: now, retry: retryFirst };
    names.set(name, entry);
    settle(entry, uses);
    for (const row of former.get(name)?.addresses ?? []) put(entry, row);
    former.delete(name);
    for (const use of uses) use.seen ||= entry.addresses.size > 0;
    return entry;
  };
  const forget = (entry: NameEntry): void => settle(entry, noUses);
  const reassign = (id: string, patterns: readonly string[], now: number): void => {
    const before = new Set(index.ofSet(id));
    const touched = new Set([...before].flatMap((use) => [...use.names]));
    index.assign(id, patterns, now);
    for (const use of index.ofSet(id)) {
      if (before.has(use)) continue;
      const { pattern } = use;
      if (pattern.exact) touched.add(pattern.text);
      else for (const name of [...names.keys(), ...former.keys()]) if (pattern.matches(name)) touched.add(name);
    }
    for (const name of touched) {
      const uses = index.usesOf(name);
      const entry = names.get(name);
      if (entry !== undefined) settle(entry, uses);
      else if (uses.size > 0) keepWithinLimits(track(name, uses, now));
    }
  };
  /** Makes room: of names that wildcards discovered, those go first that pods resolved longest ago. */
  const keepWithinLimits = (fresh: NameEntry): void => {
    const evict = (candidates: Iterable<string>, reason: keyof typeof evicted): boolean => {
      for (const name of candidates) {
        const entry = names.get(name);
        if (entry === undefined || entry === fresh || !isDiscovered(entry.uses)) continue;
        forget(entry);
        evicted[reason]++;
        return true;
      }
      return false;
    };
    for (const { pattern, names: own } of fresh.uses)
      if (!pattern.exact) while (own.size > limits.namesPerPattern && evict(own, "selector_limit"));
    while (counts.discovered > limits.names && evict(names.keys(), "total_limit"));
    while (counts.addresses > limits.addresses && evict(names.keys(), "total_limit"));
    // Names that rules spell out never go, so what there is too much of goes with them.
    const surplus = Math.min(counts.addresses - limits.addresses, fresh.addresses.size - 1);
    if (surplus <= 0) return;
    for (const row of [...fresh.addresses.values()].sort((one, other) => one.expires - other.expires).slice(0, surplus)) drop(fresh, row);
    counts.addressesDropped += surplus;
  };
  /** Of what a name has beside the addresses that come, those that expire first go where all together are too many. */
  const makeRoom = (entry: NameEntry, coming: ReadonlySet<AddressKey>): void => {
    const others = [...entry.addresses].flatMap(([key, row]) => (coming.has(key) ? [] : [row]));
    const surplus = Math.max(0, others.length + coming.size - limits.addressesPerName);
    if (surplus === 0) return;
    for (const row of others.sort((one, other) => one.expires - other.expires).slice(0, surplus)) drop(entry, row);
    counts.addressesDropped += surplus;
  };
  const usedByPod = (entry: NameEntry): void => {
    for (const order of [...entry.uses].map((use) => use.names)) {
      order.delete(entry.name);
      order.add(entry.name);
    }
    names.delete(entry.name);
    names.set(entry.name, entry);
  };

  return {
    setSet(id, set, now) {
      sets.set(id, set);
      members.add(id);
      reassign(id, set.patterns, now);
      return members.take();
    },
    removeSet(id, now) {
      sets.delete(id);
      members.remove(id);
      reassign(id, [], now);
      members.take();
    },
    complete: () => former.clear(),
    learn({ name, families, addresses }, { from, now, inUse = () => false }) {
      const uses = index.usesOf(name);
      const known = names.get(name);
      // Names that a pod makes up under a wildcard take no room unless they exist.
      if (uses.size === 0 || (known === undefined && addresses.length === 0))
        return { patches: [], matched: uses.size > 0, denied: false, revision: 0 };
      const entry = known ?? track(name, uses, now);
      const told = new Map(addresses.map((each) => [addressKey(each.address), each] as const));
      const taken = [...told].slice(-limits.addressesPerName);
      const answered = new Set(taken.map(([key]) => key));
      makeRoom(entry, answered);
      counts.addressesDropped += told.size - taken.length;
      for (const [, { address, ttl }] of taken) {
        const life = Math.max(minTtl, Math.min(seconds(ttl), limits.longestTtl));
        put(entry, { address, expires: now + life, learned: { ...from, at: now, ttl } });
      }
      for (const row of [...entry.addresses.values()]) {
        if (isOver(row, { families, answered, now }) && !inUse(row.address)) drop(entry, row);
      }
      for (const use of uses) use.seen ||= addresses.length > 0;
      entry.retry = retryFirst;
      entry.askAt = refreshTime(entry.addresses.values(), now);
      if (from.by === "pod") usedByPod(entry);
      if (entry.addresses.size === 0 && isDiscovered(uses)) forget(entry);
      else keepWithinLimits(entry);
      let revision = 0;
      for (const set of entry.sets) for (const key of answered) revision = Math.max(revision, members.revisionOf(set, key));
      const denied = [...entry.sets].some((set) => sets.get(set)?.denies === true);
      return { patches: members.take(), matched: true, denied, revision };
    },
    lacks({ name, families, addresses }, now) {
      const answered = new Set(addresses.map(({ address }) => addressKey(address)));
      const rows = names.get(name)?.addresses.values() ?? [];
      return Iterator.from(rows).some((row) => isOver(row, { families, answered, now }));
    },
    due(now, atMost) {
      const found: DueName[] = [];
      for (const entry of names.values()) {
        if (found.length >= atMost) break;
        if (entry.askAt > now) continue;
        found.push({ name: entry.name, families: bothFamilies });
        entry.askAt = now + entry.retry;
        entry.retry = Math.min(retryLongest, entry.retry * 2);
      }
      return found;
    },
    members: members.of,
    get revision() {
      return members.revision;
    },
    rows(text) {
      const pattern = text === undefined ? undefined : parsePattern(text);
      const wanted = [...names.values()].filter(({ name }) => text === undefined || pattern?.matches(name));
      return wanted.map(rowOf).sort((one, other) => (one.name < other.name ? -1 : 1));
    },
    neverSeen: () => [...index.uses()].flatMap(({ pattern, seen, since }) => (seen ? [] : [{ pattern: pattern.text, since }])),
    figures: () => ({
      names: names.size,
      addresses: counts.addresses,
      evicted: { ...evicted },
      addressesDropped: counts.addressesDropped,
    }),
    snapshot: () => ({ names: [...former.values(), ...[...names.values()].filter(({ addresses }) => addresses.size > 0).map(rowOf)] }),
  };
}

/** Past its time, and not in an answer of its family. */
function isOver(
  { address, expires }: AddressRow,
  { families, answered, now }: { readonly families: readonly Family[]; readonly answered: ReadonlySet<AddressKey>; readonly now: number },
): boolean {
  return expires <= now && families.includes(address.family) && !answered.has(addressKey(address));
}

const noUses: ReadonlySet<PatternUse> = new Set();
const bothFamilies: readonly Family[] = [4, 6];

const rowOf = ({ name, addresses }: NameEntry): NameRow => ({ name, addresses: [...addresses.values()] });

/** Found through wildcards alone. A name of no pattern was not found at all. */
function isDiscovered(uses: ReadonlySet<PatternUse>): boolean {
  for (const { pattern } of uses) if (pattern.exact) return false;
  return uses.size > 0;
}
