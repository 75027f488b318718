import { tunnelMac } from "#core/pipeline/index.ts";
import type { Family, IpAddress } from "#lib/ip/index.ts";
import { LinkNotFound, type NetworkNamespace, type Route, type RouteRequest, routeTable } from "#lib/netlink/index.ts";
import type { Finding } from "../drift.ts";
import type { Repair, RowOptions } from "./apply.ts";
import type { SharedMap } from "#lib/table/index.ts";
import { type HostNetworkInput, neighboursFor, sourcesOf, type WantedRoute } from "./desired.ts";
import { RouteTaken } from "./errors.ts";

/** `rtm_protocol` of our routes, by which we find them again and leave all others alone. Free in `/etc/iproute2/rt_protos`. */
export const routeOwner = 170;

/** By destination. */
export type WantedRoutes = Pick<SharedMap<string, WantedRoute>, "get" | "has" | "values" | "size" | typeof Symbol.iterator>;

/** What was read on the way. */
export interface RoutesRead {
  readonly repairs: readonly Repair[];
  /** Indexes of the interfaces that routes name. */
  readonly links: ReadonlyMap<string, number>;
  /** Destinations in the main table to which a route of somebody else leads. */
  readonly others: ReadonlySet<string>;
}

/**
 * Adds what is missing and replaces what differs; with `mayDelete`, removes routes of ours that nobody wants any more. A route of somebody
 * else to the same destination that does not lead over the gateway stays, and is the row's error.
 */
export async function applyRoutes(
  home: NetworkNamespace,
  input: Pick<HostNetworkInput, "gateway" | "podCIDRs">,
  { mayDelete, attempts, wanted }: RowOptions & { readonly wanted: WantedRoutes },
): Promise<RoutesRead> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, destination: string): void => void repairs.push({ target: "route", finding, what: destination });
  const links = await linkIndexes(home, wanted.values());
  const sources = sourcesOf(input);
  const otherDestinations = new Set<string>();
  for (const family of [4, 6] as const) {
    const inMain = new Map<string, Route[]>();
    for (const route of await home.routes({ family, table: routeTable.main })) {
      const destination = String(route.destination);
      const others = inMain.get(destination);
      if (others === undefined) inMain.set(destination, [route]);
      else others.push(route);
      if (route.protocol !== routeOwner) otherDestinations.add(destination);
    }
    for (const [destination, route] of wanted) {
      if (route.destination.family !== family) continue;
      const present = inMain.get(destination) ?? [];
      const linkIndex = links.get(route.linkName);
      if (linkIndex !== undefined && present.some((row) => row.protocol === routeOwner && sameRoute(row, route, { linkIndex, sources })))
        continue;
      await attempts.row(`route ${destination}`, async () => {
        if (linkIndex === undefined) throw new LinkNotFound(route.linkName);
        const others = present.filter(({ protocol }) => protocol !== routeOwner);
        // The gateway's device is ours: who led over it to the same pods was the agent before us, as antrea (Go)'s is. Its route is replaced in one step; so is one
        // that leads the same way over another link.
        const givesWay = (row: Route): boolean =>
          row.linkIndex !== undefined &&
          (row.linkIndex === links.get(route.insteadOf ?? input.gateway) ||
            (row.linkIndex === linkIndex && row.gateway !== undefined && String(row.gateway) === String(route.gateway)));
        const taken = others.find((row) => !givesWay(row));
        if (taken !== undefined) throw new RouteTaken(route.destination, taken.protocol);
        // Those of others on the pod's wire would stay beside ours. One of ours over another link leads to the new gateway: Linux then refuses IPv6.
        for (const row of present) if (row.linkIndex !== linkIndex) await home.deleteRoute(row);
        await home.replaceRoute(requestFor(route, { linkIndex, sources }));
        repaired(present.some(({ protocol }) => protocol === routeOwner) ? "changed" : "missing", destination);
      });
    }
    const stale = [...inMain.values()]
      .flat()
      .filter(({ protocol, destination }) => protocol === routeOwner && !wanted.has(String(destination)));
    for (const route of mayDelete ? stale : [])
      await attempts.row(`route ${route.destination}`, async () => {
        await home.deleteRoute(route);
        repaired("unknown", String(route.destination));
      });
  }
  return { repairs, links, others: otherDestinations };
}

/** Tells the gateway's link who its next hops are, where nobody would answer; with `mayDelete`, forgets those of nodes that are gone. */
export async function applyNeighbours(
  home: NetworkNamespace,
  input: Pick<HostNetworkInput, "datapath" | "gateway">,
  { mayDelete, attempts, wanted: routes }: RowOptions & { readonly wanted: WantedRoutes },
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, address: IpAddress): void =>
    void repairs.push({ target: "route", finding, what: `neighbour ${address}` });
  const wanted = new Map(neighboursFor(routes.values(), input).map((address) => [String(address), address]));
  const { index: linkIndex } = await home.link({ name: input.gateway });
  const ours = (await home.neighbours({ family: 6, linkIndex })).filter(({ permanent, mac }) => permanent && mac?.equals(tunnelMac));
  const present = new Set(ours.map(({ address }) => String(address)));
  for (const [text, address] of wanted) {
    if (present.has(text)) continue;
    await attempts.row(`neighbour ${address}`, async () => {
      await home.replaceNeighbour({ linkIndex, address, mac: tunnelMac });
      repaired("missing", address);
    });
  }
  for (const { address } of ours) {
    if (!mayDelete || wanted.has(String(address))) continue;
    await attempts.row(`neighbour ${address}`, async () => {
      await home.deleteNeighbour({ linkIndex, address });
      repaired("unknown", address);
    });
  }
  return repairs;
}

/** Indexes of the interfaces that routes name; those that are missing are left out. */
async function linkIndexes(home: NetworkNamespace, routes: Iterable<WantedRoute>): Promise<ReadonlyMap<string, number>> {
  const names = new Set<string>();
  for (const { linkName, insteadOf } of routes) {
    names.add(linkName);
    if (insteadOf !== undefined) names.add(insteadOf);
  }
  const found = await Promise.all([...names].map(async (name) => [name, (await home.findLink({ name }))?.index] as const));
  return new Map(found.flatMap(([name, index]) => (index === undefined ? [] : [[name, index] as const])));
}

/** Where a route leads and what it comes from, on this node. */
export interface RouteEnds {
  readonly linkIndex: number;
  readonly sources: ReadonlyMap<Family, IpAddress>;
}

const sourceOf = ({ fromGateway, destination }: WantedRoute, { sources }: RouteEnds): IpAddress | undefined =>
  fromGateway === undefined ? undefined : sources.get(destination.family);

export function requestFor(route: WantedRoute, ends: RouteEnds): RouteRequest {
  const { destination, gateway } = route;
  const source = sourceOf(route, ends);
  return {
    destination,
    linkIndex: ends.linkIndex,
    protocol: routeOwner,
    ...(gateway === undefined ? {} : { gateway, onLink: true }),
    ...(source === undefined ? {} : { source }),
  };
}

export function sameRoute(present: Route, wanted: WantedRoute, ends: RouteEnds): boolean {
  const source = sourceOf(wanted, ends);
  const same = (one: IpAddress | undefined, other: IpAddress | undefined): boolean =>
    one === undefined || other === undefined ? one === other : one.equals(other);
  return (
    present.linkIndex === ends.linkIndex &&
    same(present.gateway, wanted.gateway) &&
    // A source that we leave to the kernel is none of our business.
    (source === undefined || same(present.source, source))
  );
}
