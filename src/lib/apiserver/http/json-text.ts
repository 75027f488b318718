/** What the text of a JSON document holds, found without reading it as JSON. */
export interface TextMeasure {
  /** Fields and items; an empty container counts as one. */
  readonly fields: number;
  /** Names of fields, those that stand twice too. */
  readonly names: number;
  /** How deep containers are nested. */
  readonly depth: number;
}

const [quote, comma, openBrace, closeBrace, openBracket, closeBracket, backslash, colon] = [...'",{}[]\\:'].map((one) => one.charCodeAt(0));

/** Counts what reading a text would make, before anything is made of it. Of any bytes; what it says of a text that is no JSON means nothing. */
export function measureText(text: Uint8Array): TextMeasure {
  let [fields, names, level, depth] = [0, 0, 0, 0];
  for (let index = 0; index < text.length; index++) {
    switch (text[index]) {
      case quote:
        for (index++; index < text.length && text[index] !== quote; index++) if (text[index] === backslash) index++;
        break;
      case comma:
        fields++;
        break;
      case colon:
        names++;
        break;
      case openBrace:
      case openBracket:
        fields++;
        level++;
        if (level > depth) depth = level;
        break;
      case closeBrace:
      case closeBracket:
        level--;
        break;
      default:
    }
  }
  return { fields, names, depth };
}

/** The names of all fields in a value that was read from a text that nests no deeper than request bodies may. */
export function countNames(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countNames(item);
  else {
    const names = Object.keys(value);
    count = names.length;
    for (const name of names) count += countNames((value as Record<string, unknown>)[name]);
  }
  return count;
}

/** Whether a value holds no more fields and items than `most`, what it holds in several places counted in each. Looks no further than it must. */
export function holdsAtMost(value: unknown, most: number): boolean {
  const waiting: unknown[] = [value];
  let left = most;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next !== "object" || next === null) continue;
    const inside: readonly unknown[] = Array.isArray(next) ? next : Object.values(next);
    left -= Math.max(1, inside.length);
    if (left < 0) return false;
    for (const one of inside) if (typeof one === "object" && one !== null) waiting.push(one);
  }
  return true;
}
