import type { IpAddress } from "#lib/ip/index.ts";

/** What the index needs to know of a group's member. */
export interface IndexedMember {
  readonly ips: readonly IpAddress[];
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
}

/** A port that members declare under a name for a protocol. */
export interface NamedPort {
  readonly protocol: string;
  readonly name: string;
}

/** Changes of one group: members by their identity. */
export interface MemberChange {
  readonly added: Iterable<readonly [key: string, member: IndexedMember]>;
  readonly removed: Iterable<string>;
}

/**
 * Which addresses each group holds and which groups each address is in. A group may also be asked for part of it: the members that declare a
 * named port with a certain number form a group of their own, see {@link partName}.
 */
export interface MemberIndex {
  change(group: string, change: MemberChange): void;
  /** Makes the group's members exactly `members`. */
  replace(group: string, members: ReadonlyMap<string, IndexedMember>): void;
  remove(group: string): void;
  has(group: string): boolean;
  /** Numbers under which members of `group` declare `port`. The first question makes the index keep the parts from then on. */
  numbers(group: string, port: NamedPort): ReadonlySet<number>;
  addressesOf(group: string): Iterable<IpAddress>;
  groupsOf(address: IpAddress): Iterable<string>;
  /** Takes what changed since the last time: addresses whose groups changed, and groups whose numbers of a named port did. */
  takeChanges(): { readonly addresses: readonly IpAddress[]; readonly numbersOf: ReadonlySet<string> };
}

/** The name of the part of `group` whose members declare `port` as `number`. */
export const partName = (group: string, port: NamedPort, number: number): string => `${group}#${port.protocol}/${port.name}=${number}`;

interface Group {
  readonly members: Map<string, IndexedMember>;
  /** How many members hold each address, by part; the whole group is the part "". */
  readonly holders: Map<string, Map<string, { readonly address: IpAddress; count: number }>>;
  readonly asked: Map<string, { readonly port: NamedPort; readonly numbers: Map<number, number> }>;
}

export function createMemberIndex(): MemberIndex {
  const groups = new Map<string, Group>();
  const byAddress = new Map<string, Set<string>>();
  let changedAddresses = new Map<string, IpAddress>();
  let changedNumbers = new Set<string>();

  const count = (name: string, group: Group, part: string, address: IpAddress, step: 1 | -1): void => {
    const key = address.toString();
    const held = group.holders.get(part) ?? new Map<string, { address: IpAddress; count: number }>();
    group.holders.set(part, held);
    const entry = held.get(key) ?? { address, count: 0 };
    entry.count += step;
    if (entry.count > 0) held.set(key, entry);
    else held.delete(key);
    if (entry.count !== (step === 1 ? 1 : 0)) return;
    const memberOf = byAddress.get(key) ?? new Set<string>();
    if (step === 1) memberOf.add(part === "" ? name : part);
    else memberOf.delete(part === "" ? name : part);
    if (memberOf.size > 0) byAddress.set(key, memberOf);
    else byAddress.delete(key);
    changedAddresses.set(key, address);
  };
  const countPart = (
    name: string,
    group: Group,
    member: IndexedMember,
    { port, numbers }: { port: NamedPort; numbers: Map<number, number> },
    step: 1 | -1,
  ): void => {
    const declared = new Set(
      member.ports.filter((other) => other.name === port.name && other.protocol === port.protocol).map((other) => other.port),
    );
    for (const number of declared) {
      const left = (numbers.get(number) ?? 0) + step;
      if (left > 0) numbers.set(number, left);
      else numbers.delete(number);
      if (left === (step === 1 ? 1 : 0)) changedNumbers.add(name);
      for (const address of member.ips) count(name, group, partName(name, port, number), address, step);
    }
  };
  const apply = (name: string, group: Group, member: IndexedMember, step: 1 | -1): void => {
    for (const address of member.ips) count(name, group, "", address, step);
    for (const asked of group.asked.values()) countPart(name, group, member, asked, step);
  };
  const obtain = (name: string): Group => {
    const found = groups.get(name) ?? { members: new Map(), holders: new Map(), asked: new Map() };
    groups.set(name, found);
    return found;
  };
  const change = (name: string, { added, removed }: MemberChange): void => {
    const group = obtain(name);
    for (const key of removed) {
      const member = group.members.get(key);
      if (member === undefined) continue;
      group.members.delete(key);
      apply(name, group, member, -1);
    }
    for (const [key, member] of added) {
      if (group.members.has(key)) continue;
      group.members.set(key, member);
      apply(name, group, member, 1);
    }
  };

  return {
    change,
    replace(name, members) {
      const present = obtain(name).members;
      change(name, { added: members, removed: [...present.keys()].filter((key) => !members.has(key)) });
    },
    remove(name) {
      const group = groups.get(name);
      if (group === undefined) return;
      change(name, { added: [], removed: [...group.members.keys()] });
      // Rules may still name the group; what they asked for is kept for the case that it comes back.
      if (group.asked.size === 0) groups.delete(name);
    },
    has: (name) => groups.has(name),
    numbers(name, port) {
      const group = obtain(name);
      const key = `${port.protocol}/${port.name}`;
      const known = group.asked.get(key);
      if (known !== undefined) return new Set(known.numbers.keys());
      const asked = { port, numbers: new Map<number, number>() };
      group.asked.set(key, asked);
      for (const member of group.members.values()) countPart(name, group, member, asked, 1);
      return new Set(asked.numbers.keys());
    },
    *addressesOf(name) {
      const [whole, part] = name.includes("#") ? [name.slice(0, name.indexOf("#")), name] : [name, ""];
      for (const { address } of groups.get(whole)?.holders.get(part)?.values() ?? []) yield address;
    },
    groupsOf: (address) => byAddress.get(address.toString()) ?? [],
    takeChanges() {
      const changes = { addresses: [...changedAddresses.values()], numbersOf: changedNumbers };
      changedAddresses = new Map();
      changedNumbers = new Set();
      return changes;
    },
  };
}
