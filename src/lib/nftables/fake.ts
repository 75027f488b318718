import { createHash } from "node:crypto";
import type { Nftables } from "./nftables.ts";
import type { NftTable } from "./ruleset.ts";

/** nftables in memory. `dump` gives the tables as they were applied last, by `family name`. */
export function fakeNftables(): Nftables & { dump(): Readonly<Record<string, NftTable>> } {
  /** As texts, which nobody changes. */
  const tables = new Map<string, string>();
  return {
    apply(table) {
      const key = `${table.family} ${table.name}`;
      const text = JSON.stringify(table);
      const changed = tables.get(key) !== text;
      tables.set(key, text);
      return Promise.resolve(changed);
    },
    remove(family, name) {
      tables.delete(`${family} ${name}`);
      return Promise.resolve();
    },
    dump: () => Object.fromEntries([...tables].map(([key, text]) => [key, JSON.parse(text) as NftTable])),
  };
}

/** nftables in memory that knows no more of a table than whether another one is the same: of thousands of nodes, each has every other's addresses in a set. */
export function forgetfulNftables(): Nftables {
  const digests = new Map<string, string>();
  return {
    apply(table) {
      const key = `${table.family} ${table.name}`;
      const digest = createHash("sha256").update(JSON.stringify(table)).digest("base64");
      const changed = digests.get(key) !== digest;
      digests.set(key, digest);
      return Promise.resolve(changed);
    },
    remove(family, name) {
      digests.delete(`${family} ${name}`);
      return Promise.resolve();
    },
  };
}
