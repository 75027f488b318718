import { hash } from "node:crypto";

/**
 * Numbers of 32 bits that connections carry for the rule that admitted them. They follow from the rule's key, so that they mean the same
 * after a restart; a clash (two of 4 billion) gives the later rule the next number.
 */
export interface RuleIds {
  idOf(key: string): number;
  keyOf(id: number): string | undefined;
  forget(key: string): void;
}

export function createRuleIds(): RuleIds {
  const byKey = new Map<string, number>();
  const byId = new Map<number, string>();
  return {
    idOf(key) {
      const known = byKey.get(key);
      if (known !== undefined) return known;
      let id = Number.parseInt(hash("sha1", key, "hex").slice(0, 8), 16);
      while (id === 0 || byId.has(id)) id = (id + 1) >>> 0;
      byKey.set(key, id);
      byId.set(id, key);
      return id;
    },
    keyOf: (id) => byId.get(id),
    forget(key) {
      const id = byKey.get(key);
      if (id === undefined) return;
      byKey.delete(key);
      byId.delete(id);
    },
  };
}
