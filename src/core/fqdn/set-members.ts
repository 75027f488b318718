import type { IpAddress } from "#lib/ip/index.ts";
import { type AddressKey, addressKey } from "./rows.ts";

/** How the members of a set change: the patch of an address group. */
export interface FqdnPatch {
  readonly set: string;
  readonly added: readonly IpAddress[];
  readonly removed: readonly IpAddress[];
}

interface Member {
  readonly address: IpAddress;
  /** How many names bring it. */
  count: number;
  /** The revision that brought it into the set. */
  readonly revision: number;
}

/** Members of sets, counted by the names that bring them, and what changed since the last {@link SetMembers.take}. */
export interface SetMembers {
  add(set: string): void;
  remove(set: string): void;
  join(set: string, address: IpAddress): void;
  leave(set: string, address: IpAddress): void;
  of(set: string): readonly IpAddress[];
  /** The revision that brought the address into the set; 0 when it is not in it. */
  revisionOf(set: string, key: AddressKey): number;
  /** The changes since the last call; all of them have the same revision. */
  take(): readonly FqdnPatch[];
  readonly revision: number;
}

export function createSetMembers(): SetMembers {
  const sets = new Map<string, Map<AddressKey, Member>>();
  const changed = new Map<string, Map<AddressKey, { readonly address: IpAddress; readonly joined: boolean }>>();
  let revision = 0;
  let dirty = false;

  const note = (set: string, address: IpAddress, joined: boolean): void => {
    if (!dirty) revision++;
    dirty = true;
    const notes = changed.get(set) ?? new Map<AddressKey, { readonly address: IpAddress; readonly joined: boolean }>();
    changed.set(set, notes);
    const key = addressKey(address);
    // What left and came back, or came and left, did not change.
    if (notes.get(key)?.joined === !joined) notes.delete(key);
    else notes.set(key, { address, joined });
  };
  return {
    add(set) {
      if (!sets.has(set)) sets.set(set, new Map());
    },
    remove(set) {
      sets.delete(set);
      changed.delete(set);
    },
    join(set, address) {
      const members = sets.get(set);
      if (members === undefined) return;
      const key = addressKey(address);
      const member = members.get(key);
      if (member !== undefined) member.count++;
      else {
        note(set, address, true);
        members.set(key, { address, count: 1, revision });
      }
    },
    leave(set, address) {
      const members = sets.get(set);
      const key = addressKey(address);
      const member = members?.get(key);
      if (members === undefined || member === undefined || --member.count > 0) return;
      members.delete(key);
      note(set, address, false);
    },
    of: (set) => [...(sets.get(set)?.values() ?? [])].map(({ address }) => address),
    revisionOf: (set, key) => sets.get(set)?.get(key)?.revision ?? 0,
    take() {
      dirty = false;
      const patches = [...changed].flatMap(([set, notes]): FqdnPatch[] => {
        if (notes.size === 0) return [];
        const of = (wanted: boolean): IpAddress[] =>
          [...notes.values()].flatMap(({ address, joined }) => (joined === wanted ? [address] : []));
        return [{ set, added: of(true), removed: of(false) }];
      });
      changed.clear();
      return patches;
    },
    get revision() {
      return revision;
    },
  };
}
