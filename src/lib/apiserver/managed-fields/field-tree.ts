import type { FieldTree } from "#lib/kube/types.ts";

/**
 * A set of field paths in the form of `FieldsV1`: `f:spec` is a field, `k:{"name":"web"}` an item of a list that is a map, `v:"x"` an item of a set.
 * A node without children is a member of the set; one with children is a member when it has the child ".".
 */
export type { FieldTree } from "#lib/kube/types.ts";

/** Marks a node with children as a member itself. */
const self = ".";
const leaf: FieldTree = Object.freeze({});

export const isMember = (tree: FieldTree): boolean => self in tree || isEmpty(tree);
export function isEmpty(tree: FieldTree): boolean {
  // not by its keys: trees may be wide, and this is asked of every node of another
  for (const _name in tree) return false;
  return true;
}

/** A tree under construction; it starts as the empty set, and a node of it as no member. */
export class TreeBuilder {
  #member = false;
  readonly #children = new Map<string, TreeBuilder>();

  child(element: string): TreeBuilder {
    const known = this.#children.get(element);
    if (known !== undefined) return known;
    const made = new TreeBuilder();
    this.#children.set(element, made);
    return made;
  }

  add(): void {
    this.#member = true;
  }

  /** Undefined for the empty set. */
  build(): FieldTree | undefined {
    const children: [string, FieldTree][] = [];
    for (const [element, child] of this.#children) {
      const built = child.build();
      if (built !== undefined) children.push([element, built]);
    }
    return node(this.#member, children);
  }
}

function node(member: boolean, children: readonly (readonly [string, FieldTree])[]): FieldTree | undefined {
  if (children.length === 0) return member ? leaf : undefined;
  return Object.fromEntries(member ? [[self, leaf], ...children] : children);
}

/** Every member of any of them. */
export function union(trees: readonly (FieldTree | undefined)[]): FieldTree | undefined {
  const present = trees.filter((tree) => tree !== undefined);
  if (present.length < 2) return present[0];
  const children = new Map<string, FieldTree[]>();
  for (const tree of present)
    for (const [name, child] of Object.entries(tree)) {
      if (name === self) continue;
      const same = children.get(name);
      if (same === undefined) children.set(name, [child]);
      else same.push(child);
    }
  return node(
    present.some(isMember),
    [...children].flatMap(([name, same]) => named(name, union(same))),
  );
}

/** The members of `left` that are none of `right`. As dear as `left` is large. */
export function difference(left?: FieldTree, right?: FieldTree): FieldTree | undefined {
  if (left === undefined || right === undefined) return left;
  const children = Object.entries(left).flatMap(([name, child]) => (name === self ? [] : named(name, difference(child, right[name]))));
  return node(isMember(left) && !isMember(right), children);
}

/** The members that both have. As dear as `left` is large. */
export function intersection(left?: FieldTree, right?: FieldTree): FieldTree | undefined {
  if (left === undefined || right === undefined) return undefined;
  const children = Object.entries(left).flatMap(([name, child]) => (name === self ? [] : named(name, intersection(child, right[name]))));
  return node(isMember(left) && isMember(right), children);
}

const named = (name: string, tree: FieldTree | undefined): [string, FieldTree][] => (tree === undefined ? [] : [[name, tree]]);

/** The set with everything that lies above its members. */
export function withParents(tree: FieldTree | undefined): FieldTree | undefined {
  if (tree === undefined || isEmpty(tree)) return tree;
  const children = Object.entries(tree).flatMap(([name, child]): [string, FieldTree][] => {
    const inner = name === self ? undefined : withParents(child);
    return inner === undefined ? [] : [[name, inner]];
  });
  return node(true, children);
}

/** The members as people read them: `.spec.ports[port=80].name`. */
export function pathsOf(tree: FieldTree, prefix = ""): string[] {
  const below = Object.entries(tree).flatMap(([element, child]) => (element === self ? [] : pathsOf(child, prefix + elementText(element))));
  return isMember(tree) && prefix !== "" ? [prefix, ...below] : below;
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

/** Whether a value that users sent has the form of a tree. Bounded, as it is walked by recursion. */
export function isFieldTree(value: unknown, depth = 0): value is FieldTree {
  if (typeof value !== "object" || value === null || Array.isArray(value) || depth > 200) return false;
  return Object.entries(value).every(([element, child]) => (element === self || isElement(element)) && isFieldTree(child, depth + 1));
}

function isElement(element: string): boolean {
  if (/^(f:|i:)/s.test(element)) return true;
  if (!/^[kv]:/.test(element)) return false;
  try {
    const parsed = JSON.parse(element.slice(2)) as unknown;
    return element.startsWith("v:") || (typeof parsed === "object" && parsed !== null);
  } catch {
    return false;
  }
}
