import type { IpAddress } from "#lib/ip/index.ts";
import { refreshAt, retryLongest, soonestRefresh } from "./limits.ts";

/** Who brought an answer: a pod's own question, or the agent's. */
export type LearnedFrom =
  | { readonly by: "pod" /** `namespace/name`. */; readonly pod: string; readonly server?: string }
  | { readonly by: "agent" };

/** An address of a name, with where it comes from. Times are wall clock, milliseconds. */
export interface AddressRow {
  readonly address: IpAddress;
  readonly expires: number;
  /** When it was seen last. */
  readonly learned: LearnedFrom & { readonly at: number /** Seconds, as the answer had it. */; readonly ttl: number };
}

/** A name with its addresses. */
export interface NameRow {
  readonly name: string;
  readonly addresses: readonly AddressRow[];
}

/** An address as a key of maps. */
export type AddressKey = number | bigint;
export const addressKey = ({ family, value }: IpAddress): AddressKey => (family === 4 ? Number(value) : value);

/**
 * When to ask for a name again: before the first of its addresses expires. Addresses that are past their time (a connection uses them, or no answer
 * came) are looked at again after {@link retryLongest} at the latest.
 */
export function refreshTime(rows: Iterable<AddressRow>, now: number): number {
  let life = Number.POSITIVE_INFINITY;
  for (const { expires } of rows) life = Math.min(life, expires >= now ? expires - now : retryLongest / refreshAt);
  return life === Number.POSITIVE_INFINITY ? now + retryLongest : now + Math.max(soonestRefresh, life * refreshAt);
}
