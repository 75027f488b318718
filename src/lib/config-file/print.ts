import { stringify } from "yaml";
import type { Keys } from "./read.ts";

/**
 * A file with every key at its default, commented out below its meaning: what an administrator starts from. Keys in `chosen` (dotted paths) are set to
 * the value there.
 */
export function printDefaults(keys: Keys, chosen: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(keys)
    .map(([path, key]) => {
      const isChosen = Object.hasOwn(chosen, path);
      const value = stringify(nest(path.split("."), isChosen ? chosen[path] : key.default)).trimEnd();
      const note = key.notYet ? " (no effect yet)" : "";
      const lines = [`# ${key.doc}${note}`, ...value.split("\n").map((line) => (isChosen ? line : `# ${line}`))];
      return lines.join("\n").concat("\n");
    })
    .join("\n");
}

const nest = ([name = "", ...rest]: readonly string[], value: unknown): unknown => ({
  [name]: rest.length === 0 ? value : nest(rest, value),
});
