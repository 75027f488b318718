import { IpAddress } from "#lib/ip/index.ts";
import { createKeyedList, type KeyedList, type ListChange } from "./keyed-list.ts";

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

/** What an address is found by: the number of an IPv4 address, the hexadecimal digits of an IPv6 address. */
export type AddressKey = number | string;

export const addressKey = ({ family, value }: IpAddress): AddressKey => (family === 4 ? Number(value) : value.toString(16));

/** The address that {@link addressKey} made `key` of. */
export const addressOfKey = (key: AddressKey): IpAddress =>
  typeof key === "number" ? new IpAddress(4, BigInt(key)) : new IpAddress(6, BigInt(`0x${key}`));

/** An address that groups hold; one object for each address, as long as any group holds it. */
export interface HeldAddress {
  readonly key: AddressKey;
  /** Names of the groups, and of parts of them, that hold it: once for each member that does. */
  readonly groups: readonly string[];
}

/** What changed since the last time. */
export interface IndexChanges {
  /** Addresses that joined or left a group, or a part of one. */
  readonly addresses: readonly HeldAddress[];
  /** Groups that lost or won members. */
  readonly groups: ReadonlySet<string>;
  /** Groups that had no members: all that they have now is among the addresses. */
  readonly filled: ReadonlySet<string>;
  /** Groups whose members' numbers of a named port are others now. */
  readonly numbersOf: ReadonlySet<string>;
}

/**
 * Which addresses each group holds and which groups each address is in. A group may also be asked for part of it: the members that declare a
 * named port with a certain number form a group of their own, see {@link partName}.
 */
export interface MemberIndex<Member extends IndexedMember> {
  change(group: string, change: ListChange<Member>): void;
  /** Makes the group's members exactly `members`, which it keeps. */
  replace(group: string, members: readonly Member[]): void;
  remove(group: string): void;
  has(group: string): boolean;
  /** Numbers under which members of `group` declare `port`. The first question makes the index keep the parts from then on. */
  numbers(group: string, port: NamedPort): ReadonlySet<number>;
  /** Addresses of a group or of a part; an address that several members hold may come several times. */
  addressesOf(group: string): Iterable<HeldAddress>;
  takeChanges(): IndexChanges;
}

/** The name of the part of `group` whose members declare `port` as `number`. */
export const partName = (group: string, port: NamedPort, number: number): string => `${group}#${port.protocol}/${port.name}=${number}`;

interface Group<Member> {
  readonly members: KeyedList<Member>;
  readonly asked: Map<string, AskedPort>;
}

interface AskedPort {
  readonly port: NamedPort;
  /** How many members declare each number. */
  readonly numbers: Map<number, number>;
}

interface Held extends HeldAddress {
  readonly groups: string[];
  /** The number of the last change that it is noted in. */
  changed: number;
}

/** `keyOf` tells members of a group apart. */
export function createMemberIndex<Member extends IndexedMember>(keyOf: (member: Member) => string): MemberIndex<Member> {
  const groups = new Map<string, Group<Member>>();
  // A map by bigints would hash their low 64 bits only, in which all gateways of a cluster may be equal.
  const addresses = new Map<AddressKey, Held>();
  let changedAddresses: Held[] = [];
  let changedGroups = new Set<string>();
  let filledGroups = new Set<string>();
  let changedNumbers = new Set<string>();
  let changeNumber = 1;

  const note = (held: Held): void => {
    if (held.changed === changeNumber) return;
    held.changed = changeNumber;
    changedAddresses.push(held);
  };
  const join = (name: string, address: IpAddress): void => {
    const key = addressKey(address);
    let held = addresses.get(key);
    if (held === undefined) {
      held = { key, groups: [name], changed: 0 };
      addresses.set(key, held);
    } else held.groups.push(name);
    note(held);
  };
  const leave = (name: string, address: IpAddress): void => {
    const held = addresses.get(addressKey(address));
    const place = held?.groups.lastIndexOf(name) ?? -1;
    if (held === undefined || place < 0) return;
    const last = held.groups.pop();
    if (last !== undefined && place < held.groups.length) held.groups[place] = last;
    if (held.groups.length === 0) addresses.delete(held.key);
    note(held);
  };
  const countPart = (name: string, member: Member, { port, numbers }: AskedPort, step: 1 | -1): void => {
    for (const number of declaredNumbers(member, port)) {
      const left = (numbers.get(number) ?? 0) + step;
      if (left > 0) numbers.set(number, left);
      else numbers.delete(number);
      if (left === (step === 1 ? 1 : 0)) changedNumbers.add(name);
      const part = partName(name, port, number);
      for (const address of member.ips) (step === 1 ? join : leave)(part, address);
    }
  };
  const apply = (name: string, group: Group<Member>, { added, removed }: ListChange<Member>): void => {
    if (added.length + removed.length > 0) changedGroups.add(name);
    for (const member of removed) for (const address of member.ips) leave(name, address);
    for (const member of added) for (const address of member.ips) join(name, address);
    for (const asked of group.asked.values()) {
      for (const member of removed) countPart(name, member, asked, -1);
      for (const member of added) countPart(name, member, asked, 1);
    }
  };
  const obtain = (name: string): Group<Member> => {
    const found = groups.get(name) ?? { members: createKeyedList(keyOf), asked: new Map() };
    groups.set(name, found);
    return found;
  };

  return {
    change(name, change) {
      const group = obtain(name);
      apply(name, group, group.members.change(change));
    },
    replace(name, members) {
      const group = obtain(name);
      if (group.members.size === 0) filledGroups.add(name);
      apply(name, group, group.members.replace(members));
    },
    remove(name) {
      const group = groups.get(name);
      if (group === undefined) return;
      apply(name, group, group.members.replace([]));
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
      for (const member of group.members.items()) countPart(name, member, asked, 1);
      return new Set(asked.numbers.keys());
    },
    *addressesOf(name) {
      const hash = name.indexOf("#");
      const part = hash < 0 ? undefined : readPart(name.slice(hash + 1));
      for (const member of groups.get(hash < 0 ? name : name.slice(0, hash))?.members.items() ?? []) {
        if (part !== undefined && !declaredNumbers(member, part.port).has(part.number)) continue;
        for (const address of member.ips) {
          const held = addresses.get(addressKey(address));
          if (held !== undefined) yield held;
        }
      }
    },
    takeChanges() {
      const changes = { addresses: changedAddresses, groups: changedGroups, filled: filledGroups, numbersOf: changedNumbers };
      changeNumber++;
      changedAddresses = [];
      changedGroups = new Set();
      filledGroups = new Set();
      changedNumbers = new Set();
      return changes;
    },
  };
}

const noNumbers: ReadonlySet<number> = new Set();

function declaredNumbers({ ports }: IndexedMember, { name, protocol }: NamedPort): ReadonlySet<number> {
  if (ports.length === 0) return noNumbers;
  return new Set(ports.filter((other) => other.name === name && other.protocol === protocol).map(({ port }) => port));
}

/** The part behind a group's name, see {@link partName}. */
function readPart(text: string): { readonly port: NamedPort; readonly number: number } {
  const slash = text.indexOf("/");
  const equals = text.lastIndexOf("=");
  return { port: { protocol: text.slice(0, slash), name: text.slice(slash + 1, equals) }, number: Number(text.slice(equals + 1)) };
}
