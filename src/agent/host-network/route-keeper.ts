import { tunnelMac } from "#core/pipeline/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { type NetworkNamespace, type Route, routeTable } from "#lib/netlink/index.ts";
import type { Repair, RowOptions } from "./apply.ts";
import { createSharedMap } from "#lib/table/index.ts";
import { type HostNetworkInput, neighbourFor, routesTo, routesToPod, sourcesOf, type WantedRoute } from "./desired.ts";
import {
  applyNeighbours,
  applyRoutes,
  requestFor,
  type RouteEnds,
  routeOwner,
  type RoutesRead,
  sameRoute,
  type WantedRoutes,
} from "./routes.ts";

/** Routes to other nodes, and the neighbours that they need, as rows come and go. */
export interface RouteKeeper {
  /**
   * Brings the rows of now about. What is there is read when something may have changed it; else the rows that came and went are all there is to do,
   * so that one node more costs the same beside five and beside five thousand.
   */
  apply(input: HostNetworkInput, options: RowOptions): Promise<readonly Repair[]>;
  /** Hears of a change of the main table. Whether it may have put something wrong: {@link apply} then reads everything. */
  heard(event: { readonly change: "new" | "deleted"; readonly route: Route }): boolean;
  /** Anything may have changed. */
  doubt(): void;
}

/** What is in the kernel, as nobody else changed it since it was read. */
interface Known {
  readonly wanted: WantedRoutes;
  readonly links: RoutesRead["links"];
}

export function createRouteKeeper(home: NetworkNamespace, fixed: Omit<HostNetworkInput, "remoteNodes" | "localPods">): RouteKeeper {
  const sources = sourcesOf(fixed);
  const endsOn = (linkIndex = 0): RouteEnds => ({ linkIndex, sources });
  const wantedBy = ({ remoteNodes, localPods = [] }: HostNetworkInput): WantedRoutes => {
    const wanted = createSharedMap<string, WantedRoute>();
    for (const node of remoteNodes) for (const [destination, route] of routesTo(node, fixed)) wanted.set(destination, route);
    for (const pod of localPods) for (const route of routesToPod(pod, fixed)) wanted.set(String(route.destination), route);
    return wanted;
  };

  let known: Known | undefined;
  let expected: WantedRoutes = createSharedMap<string, WantedRoute>();
  let links: RoutesRead["links"] = new Map();
  /** Destinations of others' routes: read, and heard since, also while something is applied. One that is not there any more costs a reading. */
  const others = new Set<string>();
  let doubts = 0;

  /** Undefined: there is more to it than rows that came and went. */
  const applyDifference = async (
    there: Known,
    wanted: Known["wanted"],
    { attempts }: RowOptions,
  ): Promise<readonly Repair[] | undefined> => {
    const added: (readonly [destination: string, route: WantedRoute])[] = [];
    const gone: typeof added = [];
    for (const entry of wanted) if (!there.wanted.has(entry[0])) added.push(entry);
    for (const entry of there.wanted) {
      const [destination, route] = entry;
      const now = wanted.get(destination);
      if (now === undefined) gone.push(entry);
      else if (now !== route && !sameWanted(now, route)) return undefined;
    }
    const plain = ([destination, { linkName, insteadOf }]: (typeof added)[number]): boolean =>
      insteadOf === undefined && there.links.has(linkName) && !others.has(destination);
    if (![...added, ...gone].every(plain)) return undefined;

    const repairs: Repair[] = [];
    let taken = false;
    for (const [destination, route] of added)
      await attempts.row(`route ${destination}`, async () => {
        const address = neighbourFor(route, fixed);
        if (address !== undefined) await home.replaceNeighbour({ ...(await onGateway(address)), mac: tunnelMac });
        if (await home.addRoute(requestFor(route, endsOn(there.links.get(route.linkName)))))
          repairs.push({ target: "route", finding: "missing", what: destination });
        else taken = true;
      });
    for (const [destination, route] of gone)
      await attempts.row(`route ${destination}`, async () => {
        await home.deleteRoute(requestFor(route, endsOn(there.links.get(route.linkName))));
        const address = neighbourFor(route, fixed);
        if (address !== undefined) await home.deleteNeighbour(await onGateway(address));
        repairs.push({ target: "route", finding: "unknown", what: destination });
      });
    return taken ? undefined : repairs;
  };
  const onGateway = async (address: IpAddress): Promise<{ readonly linkIndex: number; readonly address: IpAddress }> => ({
    linkIndex: links.get(fixed.gateway) ?? (await home.link({ name: fixed.gateway })).index,
    address,
  });

  const doubt = (): void => {
    doubts++;
    known = undefined;
  };

  return {
    async apply(input, options) {
      const { attempts, mayDelete } = options;
      const doubtsBefore = doubts;
      const wanted = wantedBy(input);
      expected = wanted;
      const there = mayDelete ? known : undefined;
      known = undefined;
      const few = there === undefined ? undefined : await applyDifference(there, wanted, options);
      if (few !== undefined && there !== undefined) {
        if (!attempts.refusedAny && doubts === doubtsBefore) known = { ...there, wanted };
        return few;
      }
      others.clear();
      const neighbours = await applyNeighbours(home, input, { ...options, wanted });
      const read = await applyRoutes(home, input, { ...options, wanted });
      links = read.links;
      for (const destination of read.others) others.add(destination);
      if (mayDelete && !attempts.refusedAny && doubts === doubtsBefore) known = { wanted, links };
      return [...neighbours, ...read.repairs];
    },
    heard({ change, route }) {
      if (route.table !== routeTable.main) return false;
      const destination = String(route.destination);
      const wanted = expected.get(destination);
      const linkIndex = wanted === undefined ? undefined : links.get(wanted.linkName);
      if (route.protocol !== routeOwner) {
        others.add(destination);
        if (wanted === undefined) return false;
      } else if (
        change === "deleted"
          ? wanted === undefined
          : wanted !== undefined && linkIndex !== undefined && sameRoute(route, wanted, endsOn(linkIndex))
      )
        return false;
      doubt();
      return true;
    },
    doubt,
  };
}

function sameWanted(one: WantedRoute, other: WantedRoute): boolean {
  const text = ({ destination, linkName, gateway, fromGateway, insteadOf }: WantedRoute): string =>
    [destination, linkName, gateway, fromGateway, insteadOf].join(" ");
  return text(one) === text(other);
}
