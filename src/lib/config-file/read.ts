import { readFile } from "node:fs/promises";
import { parseDocument } from "yaml";
import { errorMessage, fileProblem } from "#lib/runtime/errors.ts";
import { InvalidConfig } from "./errors.ts";
import type { Key } from "./key.ts";

/** Keys by their dotted path: `antreaProxy.enable`. */
export type Keys = Readonly<Record<string, Key<unknown>>>;

export type ValuesOf<K extends Keys> = { readonly [Path in keyof K]: K[Path] extends Key<infer Value> ? Value : never };

export interface Config<K extends Keys> {
  readonly values: ValuesOf<K>;
  /** Lines for the log: unknown keys, and known ones that do nothing yet. */
  readonly notices: readonly string[];
  /** Those of {@link notices} that are about unknown keys. */
  readonly unknown: readonly string[];
}

/** Reads a YAML file. Throws {@link InvalidConfig} with the first wrong value. */
export async function readConfigFile<const K extends Keys>(file: string, keys: K): Promise<Config<K>> {
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    throw new InvalidConfig(file, "", `cannot be read: ${fileProblem(error)}`);
  });
  return parseConfig(content, { file, keys });
}

/** As {@link readConfigFile}, from text; `file` names it in errors. Keys that are absent have their default. */
export function parseConfig<const K extends Keys>(content: string, { file, keys }: { readonly file: string; readonly keys: K }): Config<K> {
  const document = parseDocument(content);
  const [fault] = document.errors;
  if (fault !== undefined) throw new InvalidConfig(file, "", `not YAML: ${fault.message.split("\n")[0]?.replace(/:$/, "")}`);
  let root: unknown;
  try {
    root = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (error) {
    throw new InvalidConfig(file, "", `not YAML: ${errorMessage(error)}`);
  }
  if (!isMap(root)) throw new InvalidConfig(file, "", "must be a map of keys to values");

  const values: Record<string, unknown> = Object.fromEntries(Object.entries(keys).map(([path, key]) => [path, key.default]));
  const notices: string[] = [];
  const unknown: string[] = [];
  const visit = (section: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, value] of Object.entries(section)) {
      const path = `${prefix}${name}`;
      const key = Object.hasOwn(keys, path) ? keys[path] : undefined;
      if (key !== undefined && value === null) continue;
      if (key !== undefined) {
        const read = key.read(value);
        if ("problem" in read) throw new InvalidConfig(file, path, read.problem);
        values[path] = read.value;
        if (key.notYet && JSON.stringify(read.value) !== JSON.stringify(key.default)) notices.push(`${file}: ${path} has no effect yet`);
      } else if (Object.keys(keys).some((known) => known.startsWith(`${path}.`))) {
        if (value !== null && !isMap(value)) throw new InvalidConfig(file, path, `${JSON.stringify(value)} is not a map of keys to values`);
        visit(value ?? {}, `${path}.`);
      } else unknown.push(`${file}: ${path} is not a key of this version and is ignored`);
    }
  };
  visit(root, "");
  return { values: values as ValuesOf<K>, notices: [...notices, ...unknown], unknown };
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
