import type { BaseType, Column, Database, Shape } from "./declaration.ts";
import { isObject } from "./notation.ts";

/** Compares a `get_schema` reply (RFC 7047 §3.2) with what we declare. Returns the first thing that does not fit, in words, or undefined. */
export function schemaMismatch(database: Database, wire: unknown): string | undefined {
  const tables = isObject(wire) && isObject(wire.tables) ? wire.tables : undefined;
  if (tables === undefined) return "the schema has no tables";
  for (const [tableName, columns] of Object.entries(database.tables)) {
    const table = tables[tableName];
    const present = isObject(table) && isObject(table.columns) ? table.columns : undefined;
    if (present === undefined) return `no table ${tableName}`;
    for (const [name, declared] of Object.entries(columns)) {
      const column = present[name];
      if (!isObject(column)) return `no column ${tableName}.${name}`;
      const actual = columnType(column.type);
      if (actual === undefined || describe(actual) !== describe(declared)) {
        return `column ${tableName}.${name} is ${actual === undefined ? "of an unknown type" : describe(actual)}, not ${describe(declared)}`;
      }
    }
  }
  return undefined;
}

const describe = ({ shape, key, value }: Column): string => (shape === "map" ? `map of ${key} to ${value}` : `${shape} ${key}`);

/** RFC 7047 §3.2 <type>. */
function columnType(wire: unknown): Column | undefined {
  const type = isObject(wire) ? wire : { key: wire };
  const key = baseType(type.key);
  if (key === undefined) return undefined;
  if (type.value !== undefined) {
    const value = baseType(type.value);
    return value === undefined ? undefined : { shape: "map", key, value };
  }
  const most = type.max ?? 1;
  const least = type.min ?? 1;
  const shape: Shape = most !== 1 ? "set" : least === 0 ? "optional" : "one";
  return { shape, key, value: key };
}

const baseTypes: readonly unknown[] = ["integer", "real", "boolean", "string", "uuid"] satisfies BaseType[];

function baseType(wire: unknown): BaseType | undefined {
  const name = isObject(wire) ? wire.type : wire;
  return baseTypes.includes(name) ? (name as BaseType) : undefined;
}
