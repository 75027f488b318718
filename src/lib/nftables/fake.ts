import type { Nftables } from "./nftables.ts";
import type { NftTable } from "./ruleset.ts";

/** nftables in memory. `dump` gives the tables as they were applied last, by `family name`. */
export function fakeNftables(): Nftables & { dump(): Readonly<Record<string, NftTable>> } {
  const tables = new Map<string, NftTable>();
  return {
    apply(table) {
      const key = `${table.family} ${table.name}`;
      const changed = JSON.stringify(tables.get(key)) !== JSON.stringify(table);
      tables.set(key, structuredClone(table));
      return Promise.resolve(changed);
    },
    remove(family, name) {
      tables.delete(`${family} ${name}`);
      return Promise.resolve();
    },
    dump: () => Object.fromEntries(tables),
  };
}
