/** Which part of the agent a flow belongs to; numbers as antrea (Go) has them. */
export const flowCategories = {
  default: 0n,
  podConnectivity: 1n,
  networkPolicy: 2n,
  service: 3n,
  egress: 4n,
  multicast: 5n,
  multicluster: 6n,
  traceflow: 7n,
  externalNodeConnectivity: 8n,
} as const;
export type FlowCategory = keyof typeof flowCategories;

/** The round that antrea (Go) counts up with every start. Flows of ours survive a restart, so it stands still. */
const round = 1n;

/**
 * A flow's cookie: round in 16 bits, category in 8, `page` in 8, `object` in 32 (a port, a rule id, …). Pages (0 to 255) cut a large table into parts
 * of about equal size, to be read one by one: flows of which there may be many have different ones.
 */
export function cookie(category: FlowCategory, object = 0, page = 0): bigint {
  return (round << 48n) | (flowCategories[category] << 40n) | (BigInt(page) << pageShift) | BigInt(object);
}

const pageShift = 32n;
const pageBits = 8;

/** What cuts a table into `2^bits` parts (bits 0 to 8): for each, the cookie and the mask that its flows have and no other. */
export function cookiePages(bits: number): readonly { readonly cookie: bigint; readonly cookieMask: bigint }[] {
  const used = Math.max(0, Math.min(bits, pageBits));
  const cookieMask = ((1n << BigInt(used)) - 1n) << pageShift;
  return Array.from({ length: 2 ** used }, (_, page) => ({ cookie: BigInt(page) << pageShift, cookieMask }));
}

/** The page of a flow with that cookie. */
export const pageOfCookie = (cookie: bigint): number => Number((cookie >> pageShift) & 0xffn);

/** Whether flows of a page are in the part that {@link cookiePages} cut: asked for each flow of a large table, for each part of it. */
export function isInPart({ cookie, cookieMask }: { readonly cookie: bigint; readonly cookieMask: bigint }): (page: number) => boolean {
  const [wanted, mask] = [pageOfCookie(cookie), pageOfCookie(cookieMask)];
  return (page) => (page & mask) === wanted;
}

/** The category and object of a cookie made by {@link cookie}; undefined for any other number. */
export function readCookie(value: bigint): { readonly category: FlowCategory; readonly object: number } | undefined {
  const category = value >> 48n === round ? categoryByNumber.get(Number((value >> 40n) & 0xffn)) : undefined;
  return category === undefined ? undefined : { category, object: Number(value & 0xffff_ffffn) };
}

const categoryByNumber = new Map(Object.entries(flowCategories).map(([name, number]) => [Number(number), name as FlowCategory]));
