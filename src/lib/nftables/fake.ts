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
