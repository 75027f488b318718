import type { BaseType, Column, NamedUuid } from "./declaration.ts";

/** A value as it came over the wire, or what is wrong with it. */
export type Decoded<T> = { readonly value: T } | { readonly failure: string };

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isObject = (wire: unknown): wire is Readonly<Record<string, unknown>> =>
  typeof wire === "object" && wire !== null && !Array.isArray(wire);

const failure = (expected: string, wire: unknown): { readonly failure: string } => ({
  failure: `expected ${expected}, got ${(JSON.stringify(wire) ?? String(wire)).slice(0, 80)}`,
});

/** RFC 7047 §5.1 <atom>. */
export function decodeAtom(base: BaseType, wire: unknown): Decoded<string | number | boolean> {
  switch (base) {
    case "integer":
      return typeof wire === "number" && Number.isInteger(wire) ? { value: wire } : failure("an integer", wire);
    case "real":
      return typeof wire === "number" ? { value: wire } : failure("a number", wire);
    case "boolean":
      return typeof wire === "boolean" ? { value: wire } : failure("a boolean", wire);
    case "string":
      return typeof wire === "string" ? { value: wire } : failure("a string", wire);
    case "uuid":
      return Array.isArray(wire) && wire.length === 2 && wire[0] === "uuid" && typeof wire[1] === "string" && uuidPattern.test(wire[1])
        ? { value: wire[1] }
        : failure('["uuid", …]', wire);
  }
}

/** RFC 7047 §5.1 <value>: a lone atom stands for a set of one. Gives what `ValueOf` of the column says. */
export function decodeValue(column: Column, wire: unknown): Decoded<unknown> {
  if (column.shape === "map") {
    const pairs = decodePairs(column, wire);
    return "failure" in pairs ? pairs : { value: new Map(pairs.value) };
  }
  const atoms = decodeAtoms(column.key, wire);
  if ("failure" in atoms) return atoms;
  if (column.shape === "set") return { value: column.key === "string" ? wordsOf(atoms.value as string[]) : membersOf(atoms.value) };
  if (atoms.value.length > 1 || (column.shape === "one" && atoms.value.length === 0)) return failure(`${column.shape} ${column.key}`, wire);
  return { value: atoms.value[0] };
}

/** A copy has no room for more: rows stay for long, and most have few members. */
const membersOf = <Member>(members: readonly Member[]): readonly Member[] =>
  members.length === 0 ? (noMembers as readonly never[]) : Object.freeze(members.slice());

/** More than a schema has words for; beyond that a set is a list of its own. */
const mostWords = 1_000;
const words = new Map<string, readonly string[]>();

/** Sets of words are the same in hundreds of rows, such as the fields by which a table of flows is looked up. */
function wordsOf(members: readonly string[]): readonly string[] {
  const text = members.join();
  const known = words.get(text);
  if (known?.length === members.length) return known;
  const made = membersOf(members);
  if (words.size < mostWords) words.set(text, made);
  return made;
}

export function decodeAtoms(base: BaseType, wire: unknown): Decoded<(string | number | boolean)[]> {
  const members = Array.isArray(wire) && wire[0] === "set" ? wire[1] : [wire];
  if (!Array.isArray(members)) return failure('["set", […]]', wire);
  const atoms: (string | number | boolean)[] = [];
  for (const member of members) {
    const atom = decodeAtom(base, member);
    if ("failure" in atom) return atom;
    atoms.push(atom.value);
  }
  return { value: atoms };
}

type Pair = readonly [string | number | boolean, string | number | boolean];

export function decodePairs(column: Column, wire: unknown): Decoded<Pair[]> {
  const members: unknown = Array.isArray(wire) && wire[0] === "map" ? wire[1] : undefined;
  if (!Array.isArray(members)) return failure('["map", […]]', wire);
  const pairs: Pair[] = [];
  for (const member of members) {
    if (!Array.isArray(member) || member.length !== 2) return failure("[key, value]", member);
    const key = decodeAtom(column.key, member[0]);
    if ("failure" in key) return key;
    const value = decodeAtom(column.value, member[1]);
    if ("failure" in value) return value;
    pairs.push([key.value, value.value]);
  }
  return { value: pairs };
}

/** Of all rows: a column's value is never changed, another one takes its place. */
const noPairs: ReadonlyMap<string | number, unknown> = new Map();
const noMembers: readonly unknown[] = Object.freeze([]);

/** What a column holds when nobody wrote it (RFC 7047 §5.2.1). */
export function defaultValue(column: Column): unknown {
  if (column.shape === "map") return noPairs;
  if (column.shape === "set") return noMembers;
  if (column.shape === "optional") return undefined;
  const atoms = { integer: 0, real: 0, boolean: false, string: "", uuid: "00000000-0000-0000-0000-000000000000" };
  return atoms[column.key];
}

/** Whether two values of a column are the same, sets and maps without regard to order. */
export function sameValue(column: Column, a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (column.shape === "map" && a instanceof Map && b instanceof Map) {
    return a.size === b.size && a.entries().every(([key, value]) => b.has(key) && b.get(key) === value);
  }
  if (column.shape === "set" && Array.isArray(a) && Array.isArray(b)) {
    const members = new Set(b);
    return a.length === b.length && a.every((member) => members.has(member));
  }
  return false;
}

/** Writes a value in the notation of the RFC. `rename` gives named UUIDs the name they have in this transaction. */
export function encodeValue(column: Column, value: unknown, rename: (name: string) => string): unknown {
  const atom = (base: BaseType, member: unknown): unknown => {
    if (base !== "uuid") return member;
    return isObject(member) ? ["named-uuid", rename((member as unknown as NamedUuid).namedUuid)] : ["uuid", member];
  };
  if (column.shape === "map" && !Array.isArray(value)) {
    const pairs = value instanceof Map ? [...value] : Object.entries(value as object);
    return ["map", pairs.map(([key, member]) => [atom(column.key, key), atom(column.value, member)])];
  }
  if (Array.isArray(value)) return ["set", value.map((member) => atom(column.key, member))];
  return value === undefined ? ["set", []] : atom(column.key, value);
}
