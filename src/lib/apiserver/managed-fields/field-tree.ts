import type { FieldTree } from "#lib/kube/types.ts";
import type { Parts } from "#lib/runtime/parts.ts";

/**
 * A set of field paths in the form of `FieldsV1`: `f:spec` is a field, `k:{"name":"web"}` an item of a list that is a map, `v:"x"` an item of a set.
 * A node without children is a member of the set; one with children is a member when it has the child ".". Trees never change, and may be wide: none of
 * the functions here copies one that stays as it is. Those that come from outside are looked at by {@link isFieldTree} first.
 */
export type { FieldTree } from "#lib/kube/types.ts";

/** A node while it is made. */
export type DraftTree = Record<string, FieldTree>;

/** Marks a node with children as a member itself. */
const self = ".";
/** A member without members below it. There is no other: to look whether a wide node is empty would take as long as to copy it. */
export const leaf: FieldTree = Object.freeze({});

export const isMember = (tree: FieldTree): boolean => tree === leaf || self in tree;

/** The start of a node whose children come yet. */
export const startNode = ({ member }: { readonly member: boolean }): DraftTree => (member ? { [self]: leaf } : {});

/** The node with `children` of them; undefined for one that is neither a member nor has any. */
export function finishNode(
  made: DraftTree,
  { member, children }: { readonly member: boolean; readonly children: number },
): FieldTree | undefined {
  if (children === 0) return member ? leaf : undefined;
  if (member) made[self] = leaf;
  else if (self in made) delete made[self];
  return made;
}

/** Every member of either. */
export const union = (left?: FieldTree, right?: FieldTree): FieldTree | undefined =>
  left === undefined ? right : right === undefined ? left : unionOf(left, right);

/** Every member of any of them. Two by two: to add one after the other to a set that grows would copy it each time. */
export function* unionOfAll(trees: readonly (FieldTree | undefined)[]): Parts<FieldTree | undefined> {
  let left = trees;
  while (left.length > 1) {
    const pairs: (FieldTree | undefined)[] = [];
    for (let index = 0; index < left.length; index += 2) {
      pairs.push(union(left[index], left[index + 1]));
      yield;
    }
    left = pairs;
  }
  return left[0];
}

function unionOf(left: FieldTree, right: FieldTree): FieldTree {
  if (left === right) return left;
  if (right === leaf) return asMember(left);
  if (left === leaf) return asMember(right);
  let made: DraftTree | undefined;
  for (const name of Object.keys(right)) {
    const [mine, other] = [left[name], right[name]];
    if (other === undefined || mine === other) continue;
    const both = mine === undefined ? other : unionOf(mine, other);
    if (both === mine) continue;
    made ??= { ...left };
    made[name] = both;
  }
  return made ?? left;
}

const asMember = (tree: FieldTree): FieldTree => (isMember(tree) ? tree : { [self]: leaf, ...tree });

/** From so many names on, a node is gone through by its own names instead of those that are taken away: to delete one after the other takes longer. */
const manyNames = 64;

/** How {@link difference} sees the set that is taken away. */
interface Taken {
  /** Everything that lies above a member is one too. Default false. */
  readonly withParents?: true;
}

/** The members of `left` that are none of `right`; `left` itself where that is all. As dear as the smaller of them is large, and as `left` where a part of it goes. */
export function difference(left?: FieldTree, right?: FieldTree, taken: Taken = {}): FieldTree | undefined {
  if (left === undefined || right === undefined) return left;
  const member = isMember(left) && !(taken.withParents || isMember(right));
  const names = namesOf(right);
  return names.length < manyNames ? without(left, right, { names, member, taken }) : remaining(left, right, { member, taken });
}

/** Names of wide nodes that were taken away: the same are from the sets of many managers, and to list them takes long. */
const listed = new WeakMap<FieldTree, readonly string[]>();

function namesOf(tree: FieldTree): readonly string[] {
  const known = listed.get(tree);
  if (known !== undefined) return known;
  const names = Object.keys(tree);
  if (names.length >= manyNames) listed.set(tree, names);
  return names;
}

function without(
  left: FieldTree,
  right: FieldTree,
  { names, member, taken }: { readonly names: readonly string[]; readonly member: boolean; readonly taken: Taken },
): FieldTree | undefined {
  let made: DraftTree | undefined;
  let gone = 0;
  for (const name of names) {
    const child = left[name];
    if (child === undefined || name === self) continue;
    const rest = difference(child, right[name], taken);
    if (rest === child) continue;
    made ??= { ...left };
    if (rest !== undefined) made[name] = rest;
    else {
      delete made[name];
      gone++;
    }
  }
  if (made === undefined && member === isMember(left)) return left;
  const children = gone === 0 ? (left === leaf ? 0 : 1) : Object.keys(made ?? left).length - (self in left ? 1 : 0);
  return finishNode(made ?? { ...left }, { member, children });
}

function remaining(
  left: FieldTree,
  right: FieldTree,
  { member, taken }: { readonly member: boolean; readonly taken: Taken },
): FieldTree | undefined {
  const kept: [string, FieldTree][] = [];
  let same = member === isMember(left);
  for (const name of Object.keys(left)) {
    const child = left[name];
    if (child === undefined || name === self) continue;
    const rest = difference(child, right[name], taken);
    if (rest !== child) same = false;
    if (rest !== undefined) kept.push([name, rest]);
  }
  if (same) return left;
  const made = startNode({ member });
  for (const [name, rest] of kept) made[name] = rest;
  return finishNode(made, { member, children: kept.length });
}

/** The members that both have. As dear as `left` is large. */
export function intersection(left?: FieldTree, right?: FieldTree): FieldTree | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (left === right) return left;
  const made: DraftTree = {};
  let children = 0;
  for (const name of Object.keys(left)) {
    const both = name === self ? undefined : intersection(left[name], right[name]);
    if (both === undefined) continue;
    made[name] = both;
    children++;
  }
  return finishNode(made, { member: isMember(left) && isMember(right), children });
}

/** How many members there are. */
export function countMembers(tree: FieldTree): number {
  let count = isMember(tree) ? 1 : 0;
  for (const name of Object.keys(tree)) {
    const child = tree[name];
    if (child !== undefined && name !== self) count += countMembers(child);
  }
  return count;
}

/** The members as people read them: `.spec.ports[port=80].name`; of the first `most` of them. */
export function pathsOf(tree: FieldTree, most = Number.POSITIVE_INFINITY): string[] {
  const paths: string[] = [];
  const visit = (node: FieldTree, path: string): void => {
    if (path !== "" && isMember(node)) paths.push(path);
    for (const element of Object.keys(node)) {
      if (paths.length >= most) return;
      const child = node[element];
      if (element !== self && child !== undefined) visit(child, path + elementText(element));
    }
  };
  visit(tree, "");
  return paths.slice(0, most);
}

function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element.slice(0, 2)) {
    case "k:":
      return `[${Object.entries(JSON.parse(rest) as object)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(",")}]`;
    case "v:":
      return `[=${rest}]`;
    default:
      return `.${rest}`;
  }
}

/** Those that were looked at and have the form: they never change, and come back with every write of their object. */
const wellFormed = new WeakSet<object>();

/** Whether a value that came from outside has the form of a tree; its empty nodes become {@link leaf}. Bounded, as it is walked by recursion. */
export function isFieldTree(value: unknown): value is FieldTree {
  if (typeof value !== "object" || value === null) return false;
  if (value === leaf || wellFormed.has(value)) return true;
  if (!hasForm(value, 0)) return false;
  wellFormed.add(value);
  return true;
}

function hasForm(value: object, depth: number): boolean {
  if (Array.isArray(value) || depth > 200) return false;
  const node = value as Record<string, unknown>;
  for (const element of Object.keys(node)) {
    if (element !== self && !isElement(element)) return false;
    const child = node[element];
    if (child === leaf) continue;
    if (typeof child !== "object" || child === null || !hasForm(child, depth + 1)) return false;
    if (hasNothing(child)) node[element] = leaf;
  }
  return true;
}

function hasNothing(node: object): boolean {
  const [first = self, second] = Object.keys(node);
  return first === self && second === undefined;
}

/** The tree that {@link isFieldTree} has found well-formed, {@link leaf} where it is empty. */
export const rootOf = (tree: FieldTree): FieldTree => (hasNothing(tree) ? leaf : tree);

function isElement(element: string): boolean {
  const kind = element.slice(0, 2);
  if (kind === "f:" || kind === "i:") return true;
  if (kind !== "k:" && kind !== "v:") return false;
  try {
    const parsed = JSON.parse(element.slice(2)) as unknown;
    return kind === "v:" || (typeof parsed === "object" && parsed !== null);
  } catch {
    return false;
  }
}
