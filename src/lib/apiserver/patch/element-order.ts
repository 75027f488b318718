import type { Json } from "../openapi/schema.ts";
import { InvalidPatch } from "./errors.ts";

interface Ordering {
  /** The list as it stood before the patch. */
  readonly live: readonly Json[];
  /** What `$setElementOrder` lists: identities, or objects that hold one. */
  readonly order: readonly Json[];
  readonly identity: (element: Json) => Json;
}

/**
 * Puts a merged list into the order that the patch asks for. Elements that the patch does not list (others own them) keep their live order
 * among themselves and go before the first listed element that stood after them.
 */
export function inOrder(merged: readonly Json[], { live, order, identity }: Ordering): readonly Json[] {
  const rankOf = ranks(order.map(identity));
  const liveRankOf = ranks(live.map(identity));
  const byRank = (rank: ReadonlyMap<Json, number>, one: Json): number => rank.get(identity(one)) ?? 0;
  const listed = merged.filter((one) => rankOf.has(identity(one))).sort((left, right) => byRank(rankOf, left) - byRank(rankOf, right));
  const others = merged.filter((one) => !rankOf.has(identity(one)));
  const added = others.find((one) => !liveRankOf.has(identity(one)));
  if (added !== undefined)
    throw new InvalidPatch(`$setElementOrder does not list ${JSON.stringify(identity(added))}, which the patch adds`);
  const result: Json[] = [];
  let next = 0;
  for (const other of others) {
    const stood = byRank(liveRankOf, other);
    for (let one = listed[next]; one !== undefined && (liveRankOf.get(identity(one)) ?? -1) <= stood; one = listed[next]) {
      result.push(one);
      next++;
    }
    result.push(other);
  }
  return [...result, ...listed.slice(next)];
}

function ranks(identities: readonly Json[]): ReadonlyMap<Json, number> {
  return new Map(identities.map((one, index) => [one, index] as const).reverse());
}
