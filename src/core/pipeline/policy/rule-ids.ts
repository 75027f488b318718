/**
 * Numbers of 32 bits that connections carry for the rule that admitted them. They are the first of the rule's key's digits, so
 * that they mean the same after a restart; a clash (two of 4 billion) gives the later rule the next number.
 */
export interface RuleIds {
  idOf(key: string): number;
  keyOf(id: number): string | undefined;
  forget(key: string): void;
}

/** Objects of cookies that are no rule's: 0, and those of lookups ({@link ./lookup-flows.ts}). */
export const firstRuleId = 16;

export function createRuleIds(): RuleIds {
  const byKey = new Map<string, number>();
  const byId = new Map<number, string>();
  return {
    idOf(key) {
      const known = byKey.get(key);
      if (known !== undefined) return known;
      let id = firstDigits(key);
      while (id < firstRuleId || byId.has(id)) id = (id + 1) >>> 0;
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

/** A key is a policy's UID, a slash and the hexadecimal digest of both UID and content. */
const firstDigits = (key: string): number => Number.parseInt(key.slice(key.lastIndexOf("/") + 1).slice(0, 8), 16);
