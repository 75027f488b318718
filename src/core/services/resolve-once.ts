import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import { type ResolvedService, resolveService, type ServiceChoice } from "./resolve.ts";

interface Resolved {
  readonly slices: readonly EndpointSlice[];
  readonly choice: string;
  readonly result: ResolvedService;
}

/** What came of each Service last. Objects never change: another one takes their place. */
const last = new WeakMap<Service, Resolved>();

/**
 * As {@link resolveService}. What was computed last of the very same objects is given back, frozen: agents of one process are told the same objects, and what follows
 * from them is then made once.
 */
export function resolveOnce(service: Service, slices: readonly EndpointSlice[], choice: ServiceChoice): ResolvedService {
  const text = choiceText(service, choice);
  const known = last.get(service);
  if (known?.choice === text && sameItems(known.slices, slices)) return known.result;
  const { frontends, problems } = resolveService(service, slices, choice);
  const result = { frontends: Object.freeze(frontends), problems: Object.freeze(problems) };
  last.set(service, { slices, choice: text, result });
  return result;
}

/** The node matters to Services that keep their traffic on it, and to no others. */
const choiceText = ({ spec }: Service, { node, proxyName = "", skip = [] }: ServiceChoice): string =>
  JSON.stringify([spec?.internalTrafficPolicy === "Local" ? node : "", proxyName, skip]);

const sameItems = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length && one.every((item, index) => item === other[index]);
