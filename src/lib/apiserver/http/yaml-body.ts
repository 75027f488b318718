import { isMap, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { badRequest, bodyTooLarge } from "../errors.ts";
import type { Json } from "../openapi/schema.ts";

/** A YAML text that was read: its value, in which aliases share what they stand for, and which keys its text has twice (`line 9: key "foo" already set in map`). */
export interface ReadYaml {
  readonly value: Json;
  readonly repeated: readonly string[];
}

/**
 * Longest body in YAML that is no JSON. It is read in one go, some hundred times as slowly as JSON: this much takes up to 100 ms of processor time on a slow
 * machine. People write it by hand, and what programs send is JSON (kubectl,
 * client-go).
 */
export const longestYamlBytes = 16 * 1024;

/** More keys that stand twice are of no use to anybody. */
const mostRepeated = 100;

/** Throws BadRequest for what is no YAML, RequestEntityTooLarge for more than {@link longestYamlBytes}. */
export function parseYaml(body: Buffer): ReadYaml {
  if (body.length > longestYamlBytes) throw bodyTooLarge(longestYamlBytes, "YAML: send JSON, which is YAML too");
  const text = body.toString("utf8");
  const lines = new LineCounter();
  let value: Json;
  let repeated: string[];
  try {
    // the library's own search for keys that stand twice compares each with each
    const document = parseDocument(text, { prettyErrors: false, version: "1.2", uniqueKeys: false, lineCounter: lines });
    const [damage] = document.errors;
    if (damage !== undefined) throw damage;
    repeated = repeatedKeys(document, lines);
    value = document.toJS({ maxAliasCount: 100 }) as Json;
  } catch (error) {
    throw badRequest(`error decoding YAML: ${(error as Error).message}`);
  }
  return { value, repeated };
}

function repeatedKeys(document: ReturnType<typeof parseDocument>, lines: LineCounter): string[] {
  const found: string[] = [];
  visit(document, {
    Map(_key, map) {
      if (!isMap(map)) return;
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value) && found.length < mostRepeated)
          found.push(`line ${lines.linePos(key.range?.[0] ?? 0).line}: key ${JSON.stringify(String(key.value))} already set in map`);
        seen.add(key.value);
      }
    },
  });
  return found;
}
