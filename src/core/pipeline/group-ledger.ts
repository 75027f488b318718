import type { Group } from "#lib/openflow/group.ts";
import { formatGroup } from "#lib/openflow/group-text.ts";

/** What the switch must do to come from one state of a {@link GroupLedger} to a later one. */
export interface GroupChange {
  /** New groups, and new contents of present ones. */
  readonly put: readonly Group[];
  readonly remove: readonly number[];
}

/** The groups that should exist, by who wants them. Where two owners want one number, the latest has its way until it takes its wish back. */
export interface GroupLedger {
  /** Makes the owner's wishes exactly `groups`. */
  set(owner: string, groups: readonly Group[]): void;
  groupsOf(owner: string): readonly Group[];
  /** Every group that should exist. */
  groups(): IterableIterator<Group>;
  get(number: number): Group | undefined;
  readonly size: number;
  /** What changed since the last call. */
  takeChange(): GroupChange;
  readonly changed: boolean;
  /** Hears that {@link changed} became true. */
  onChange(listener: () => void): () => void;
}

export function createGroupLedger(): GroupLedger {
  const wishes = new Map<number, Map<string, Group>>();
  const byOwner = new Map<string, readonly Group[]>();
  const listeners = new Set<() => void>();
  let before = new Map<number, Group | undefined>();

  const get = (number: number): Group | undefined => [...(wishes.get(number)?.values() ?? [])].at(-1);
  const wish = (number: number, owner: string, group: Group | undefined): void => {
    if (!before.has(number)) before.set(number, get(number));
    const wanted = wishes.get(number) ?? new Map<string, Group>();
    wanted.delete(owner);
    if (group !== undefined) wanted.set(owner, group);
    if (wanted.size > 0) wishes.set(number, wanted);
    else wishes.delete(number);
  };
  return {
    set(owner, groups) {
      const wasChanged = before.size > 0;
      const present = new Map(byOwner.get(owner)?.map((group) => [group.group, group]));
      const wanted = new Map(groups.map((group) => [group.group, group]));
      for (const number of present.keys()) if (!wanted.has(number)) wish(number, owner, undefined);
      for (const [number, group] of wanted) {
        const old = present.get(number);
        if (old === undefined || !sameGroup(old, group)) wish(number, owner, group);
      }
      if (wanted.size > 0) byOwner.set(owner, [...wanted.values()]);
      else byOwner.delete(owner);
      if (!wasChanged && before.size > 0) for (const listener of [...listeners]) listener();
    },
    groupsOf: (owner) => byOwner.get(owner) ?? [],
    *groups() {
      for (const number of wishes.keys()) {
        const group = get(number);
        if (group !== undefined) yield group;
      }
    },
    get,
    get size() {
      return wishes.size;
    },
    takeChange() {
      const put: Group[] = [];
      const remove: number[] = [];
      for (const [number, old] of before) {
        const now = get(number);
        if (now === undefined) {
          if (old !== undefined) remove.push(number);
        } else if (old === undefined || !sameGroup(old, now)) put.push(now);
      }
      before = new Map();
      return { put, remove };
    },
    get changed() {
      return before.size > 0;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Whether a switch that has one would be unchanged by the other. */
export const sameGroup = (one: Group, other: Group): boolean =>
  one === other || (one.buckets.length === other.buckets.length && formatGroup(one) === formatGroup(other));
