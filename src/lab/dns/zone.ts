import { canonicalName, labelsOf } from "#lib/dns/index.ts";
import { tryParseAddress } from "#lib/ip/index.ts";
import type { Lookup, RecordData } from "./records.ts";

/** More lines than this are a mistake: the file comes from a ConfigMap of at most 1 MiB. */
const lineLimit = 20_000;

export interface Zone {
  readonly lookup: Lookup;
  /** Lines that mean nothing, for people. */
  readonly problems: readonly string[];
}

/** Reads `NAME A|AAAA|CNAME|TXT DATA` lines, one record each; `;` and `#` begin comments. */
export function parseZone(text: string): Zone {
  const records = new Map<string, RecordData[]>();
  const problems: string[] = [];
  for (const [index, line] of text.split("\n").slice(0, lineLimit).entries()) {
    const words = line.replace(/[;#].*$/, "").trim();
    if (words === "") continue;
    const [, name = "", type = "", data = ""] = /^(\S+)\s+(\S+)\s+(.+)$/.exec(words) ?? [];
    const record = recordOf(type.toUpperCase(), data);
    if (record === undefined || labelsOf(name) === undefined) problems.push(`line ${index + 1}: not NAME A|AAAA|CNAME|TXT DATA`);
    else {
      const key = canonicalName(name);
      records.set(key, [...(records.get(key) ?? []), record]);
    }
  }
  // Names between a record and the root of its zone are there too, without records.
  for (const name of [...records.keys()])
    for (const [index] of [...name.matchAll(/\./g)].map((match) => [match.index]).slice(0, -1)) {
      const above = name.slice((index ?? 0) + 1);
      if (!records.has(above)) records.set(above, []);
    }
  return { lookup: (name) => records.get(name), problems };
}

function recordOf(type: string, data: string): RecordData | undefined {
  if (type === "TXT") return { type: "text", text: data.replace(/^"(.*)"$/, "$1") };
  if (type === "CNAME") return labelsOf(data) === undefined ? undefined : { type: "alias", target: canonicalName(data) };
  const address = type === "A" || type === "AAAA" ? tryParseAddress(data) : undefined;
  return address?.family === (type === "A" ? 4 : 6) ? { type: "address", address } : undefined;
}
