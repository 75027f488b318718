import { tryParsePrefix } from "#lib/ip/index.ts";
import { type Duration, parseDuration } from "#lib/runtime/index.ts";

/** One key of a configuration file. */
export interface Key<Value> {
  readonly default: Value;
  /** What the key means, for generated configuration files and docs. */
  readonly doc: string;
  /** The key is known but does nothing yet: a file that changes it gets a notice. */
  readonly notYet: boolean;
  /** The value, or what would be right: `expected a number from 0 to 65535`. */
  readonly read: (value: unknown) => { readonly value: Value } | { readonly problem: string };
}

interface About<Value> {
  readonly default: Value;
  readonly doc: string;
  readonly notYet?: true;
}

const key = <Value>(about: About<Value>, expected: string, read: (value: unknown) => Value | undefined): Key<Value> => ({
  default: about.default,
  doc: about.doc,
  notYet: about.notYet ?? false,
  read(value) {
    const result = read(value);
    return result === undefined ? { problem: `${JSON.stringify(value)} is not ${expected}` } : { value: result };
  },
});

export const text = (about: About<string>): Key<string> => key(about, "a text", (value) => (typeof value === "string" ? value : undefined));

/** A text with a grammar of its own, or nothing; `expected` says in words what it is. */
export const textThat = (about: About<string> & { readonly expected: string; readonly is: (text: string) => boolean }): Key<string> =>
  key(about, about.expected, (value) => (typeof value === "string" && (value === "" || about.is(value)) ? value : undefined));

export const flag = (about: About<boolean>): Key<boolean> =>
  key(about, "true or false", (value) => (typeof value === "boolean" ? value : undefined));

/** A whole number within bounds, both included. */
export const integer = (about: About<number> & { readonly min: number; readonly max: number }): Key<number> =>
  key(about, `a whole number from ${about.min} to ${about.max}`, (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= about.min && value <= about.max ? value : undefined,
  );

export const number = (about: About<number>): Key<number> =>
  key(about, "a number", (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined));

/** A span of time as Go writes it (`5s`, `1m30s`); the default in milliseconds. */
export const duration = (about: About<Duration> & { readonly min?: Duration }): Key<Duration> =>
  key(about, `a duration such as 5s${about.min ? `, at least ${about.min / 1_000}s` : ""}`, (value) => {
    const span = typeof value === "string" ? parseDuration(value) : undefined;
    return span !== undefined && span >= (about.min ?? 0) ? span : undefined;
  });

/** A list of texts; `is` says which ones, `expected` in words. */
export const texts = (
  about: About<readonly string[]> & { readonly expected?: string; readonly is?: (text: string) => boolean },
): Key<readonly string[]> =>
  key(about, `a list of ${about.expected ?? "texts"}`, (value) =>
    Array.isArray(value) && value.every((entry) => typeof entry === "string" && (about.is?.(entry) ?? true)) ? value : undefined,
  );

/** Address blocks such as `10.0.0.0/8`; a text with commas in between is a list too. */
export const blocks = (about: About<readonly string[]>): Key<readonly string[]> =>
  key(about, "a list of address blocks such as 10.0.0.0/8", (value) => {
    const entries: unknown = typeof value === "string" ? value.split(",").filter((entry) => entry !== "") : value;
    return Array.isArray(entries) && entries.every((entry) => typeof entry === "string" && tryParsePrefix(entry)) ? entries : undefined;
  });

/** Some of these numbers. */
export const someOf = (about: About<readonly number[]> & { readonly values: readonly number[] }): Key<readonly number[]> =>
  key(about, `a list of numbers out of ${about.values.join(", ")}`, (value) =>
    Array.isArray(value) && value.every((entry) => about.values.includes(entry as number)) ? value : undefined,
  );

/** A list of maps; `expected` says in words what each entry is. */
export const list = (
  about: About<readonly unknown[]> & { readonly expected: string; readonly is: (entry: Readonly<Record<string, unknown>>) => boolean },
): Key<readonly unknown[]> =>
  key(about, `a list of ${about.expected}`, (value) =>
    Array.isArray(value) && value.every((entry) => typeof entry === "object" && entry !== null && !Array.isArray(entry) && about.is(entry))
      ? value
      : undefined,
  );

export const flags = (about: About<Readonly<Record<string, boolean>>>): Key<Readonly<Record<string, boolean>>> =>
  key(about, "a map of names to true or false", (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return Object.values(value).every((entry) => typeof entry === "boolean") ? (value as Record<string, boolean>) : undefined;
  });

/** One of `values`, in any case of letters; those of them that are not in `available` are refused by name. */
export function oneOf<const Value extends string>(
  about: About<NoInfer<Value>> & { readonly values: readonly Value[]; readonly available?: readonly NoInfer<Value>[] },
): Key<Value> {
  const { values, available = values } = about;
  return {
    default: about.default,
    doc: about.doc,
    notYet: about.notYet ?? false,
    read(value) {
      const meant = values.find((name) => typeof value === "string" && name.toLowerCase() === value.toLowerCase());
      if (meant === undefined) return { problem: `${JSON.stringify(value)} is none of ${values.join(", ")}` };
      if (!available.includes(meant)) return { problem: `${meant} is not there yet; there is ${available.join(", ")}` };
      return { value: meant };
    },
  };
}
