import { canonicalName } from "#lib/dns/index.ts";

/** A name as a rule writes it: `*` stands for any run of characters, dots and none included; the whole name must fit. Case does not matter. */
export interface NamePattern {
  /** In lower case, without the final dot. */
  readonly text: string;
  /** Without `*`: the one name it matches is its text. */
  readonly exact: boolean;
  /** `name` as {@link canonicalName} gives it. Time grows with name × pattern at most. */
  matches(name: string): boolean;
}

/** Longest text of a pattern, characters: longer ones match no name. */
const longest = 255;

/** Reads a pattern of letters, digits, hyphens, underscores (as in names of services), dots and stars; undefined for anything else. */
export function parsePattern(source: string): NamePattern | undefined {
  const text = canonicalName(source);
  if (text.length === 0 || text.length > longest || !/^[-_0-9a-z.*]+$/.test(text)) return undefined;
  const parts = text.split(/\*+/);
  if (parts.length === 1) return { text, exact: true, matches: (name) => name === text };
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  const middle = parts.slice(1, -1);
  return { text, exact: false, matches: (name) => fits(name, { first, middle, last }) };
}

/** Ends first, then the parts in between from left to right: where one fits first leaves the most room for the others. */
function fits(
  name: string,
  { first, middle, last }: { readonly first: string; readonly middle: readonly string[]; readonly last: string },
): boolean {
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let at = first.length;
  for (const part of middle) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
