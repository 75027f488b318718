import { RE2JS, RE2JSException } from "re2js";

/** Patterns in use at a time; the oldest is forgotten. The four CRDs of the network policy API have 40. */
const keptPatterns = 1_000;

const compiled = new Map<string, RE2JS | string>();

/**
 * A regular expression in the syntax of RE2, as Kubernetes reads patterns. Matching takes time in proportion to the text, whatever the pattern:
 * users choose the text, and those who may install a CRD the pattern. Returns what is wrong with a pattern that is none.
 */
export function regularExpression(pattern: string): RE2JS | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const made = compile(pattern);
  if (compiled.size >= keptPatterns) compiled.delete(compiled.keys().next().value ?? "");
  compiled.set(pattern, made);
  return made;
}

/** Whether the pattern is found anywhere in the text; false for a pattern that is none. */
export function matchesPattern(pattern: string, text: string): boolean {
  const expression = regularExpression(pattern);
  return typeof expression !== "string" && expression.test(text);
}

function compile(pattern: string): RE2JS | string {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return error instanceof RE2JSException ? error.message : String(error);
  }
}
