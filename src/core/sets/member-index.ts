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

/** An address that groups hold; one object for each address, as long as any group holds it. */
export interface HeldAddress {
  /** Its text. */
  readonly key: string;
  readonly address: IpAddress;
  /** Names of the groups, and of parts of them, that hold it. */
  readonly groups: readonly string[];
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
  /** Makes the group's members exactly `members`, which it keeps. */
  replace(group: string, members: Map<string, IndexedMember>): void;
  remove(group: string): void;
  has(group: string): boolean;
  /** Numbers under which members of `group` declare `port`. The first question makes the index keep the parts from then on. */
  numbers(group: string, port: NamedPort): ReadonlySet<number>;
  addressesOf(group: string): Iterable<HeldAddress>;
  /** Takes what changed since the last time: addresses whose groups changed, and groups whose numbers of a named port did. */
  takeChanges(): { readonly addresses: readonly HeldAddress[]; readonly numbersOf: ReadonlySet<string> };
}

/** The name of the part of `group` whose members declare `port` as `number`. */
export const partName = (group: string, port: NamedPort, number: number): string => `${group}#${port.protocol}/${port.name}=${number}`;

interface Group {
  members: Map<string, IndexedMember>;
  /** How many members hold each address. */
  readonly holders: Holders;
  readonly parts: Map<string, Holders>;
  readonly asked: Map<string, { readonly port: NamedPort; readonly numbers: Map<number, number> }>;
}

type Holders = Map<Held, number>;

interface Held extends HeldAddress {
  readonly groups: string[];
}

export function createMemberIndex(): MemberIndex {
  const groups = new Map<string, Group>();
  const held = new Map<string | number, Held>();
  let changedAddresses = new Set<Held>();
  let changedNumbers = new Set<string>();

  /** One more or one less member of the group or part `name` holds `address`. */
  const count = (name: string, holders: Holders, address: IpAddress, step: 1 | -1): void => {
    const place = address.family === 4 ? Number(address.value) : address.toString();
    let entry = held.get(place);
    if (entry === undefined) {
      entry = { key: address.toString(), address, groups: [] };
      held.set(place, entry);
    }
    const left = (holders.get(entry) ?? 0) + step;
    if (left > 0) holders.set(entry, left);
    else holders.delete(entry);
    if (left !== (step === 1 ? 1 : 0)) return;
    if (step === 1) entry.groups.push(name);
    else entry.groups.splice(entry.groups.indexOf(name), 1);
    if (entry.groups.length === 0) held.delete(place);
    changedAddresses.add(entry);
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
      const part = partName(name, port, number);
      const holders = group.parts.get(part) ?? new Map<Held, number>();
      group.parts.set(part, holders);
      for (const address of member.ips) count(part, holders, address, step);
      if (holders.size === 0) group.parts.delete(part);
    }
  };
  const apply = (name: string, group: Group, member: IndexedMember, step: 1 | -1): void => {
    for (const address of member.ips) count(name, group.holders, address, step);
    for (const asked of group.asked.values()) countPart(name, group, member, asked, step);
  };
  const obtain = (name: string): Group => {
    const found = groups.get(name) ?? { members: new Map(), holders: new Map(), parts: new Map(), asked: new Map() };
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
      const group = obtain(name);
      for (const [key, member] of group.members) if (!members.has(key)) apply(name, group, member, -1);
      for (const [key, member] of members) if (!group.members.has(key)) apply(name, group, member, 1);
      group.members = members;
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
    addressesOf(name) {
      const hash = name.indexOf("#");
      const holders = hash < 0 ? groups.get(name)?.holders : groups.get(name.slice(0, hash))?.parts.get(name);
      return holders?.keys() ?? [];
    },
    takeChanges() {
      const changes = { addresses: [...changedAddresses], numbersOf: changedNumbers };
      changedAddresses = new Set();
      changedNumbers = new Set();
      return changes;
    },
  };
}
