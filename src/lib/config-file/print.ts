import { stringify } from "yaml";
import type { Keys } from "./read.ts";

/** A file with every key at its default, commented out below its meaning: what an administrator starts from. */
export function printDefaults(keys: Keys): string {
  return Object.entries(keys)
    .map(([path, key]) => {
      const value = stringify(nest(path.split("."), key.default)).trimEnd();
      const note = key.notYet ? " (no effect yet)" : "";
      const lines = [`${key.doc}${note}`, ...value.split("\n")];
      return lines
        .map((line) => `# ${line}`)
        .join("\n")
        .concat("\n");
    })
    .join("\n");
}

const nest = ([name = "", ...rest]: readonly string[], value: unknown): unknown => ({
  [name]: rest.length === 0 ? value : nest(rest, value),
});
