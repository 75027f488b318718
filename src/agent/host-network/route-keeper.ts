import { tunnelMac } from "#core/pipeline/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { type NetworkNamespace, type Route, routeTable } from "#lib/netlink/index.ts";
import type { Repair, RowOptions } from "./apply.ts";
import { type HostNetworkInput, neighbourFor, routesTo, routesToPod, type WantedRoute } from "./desired.ts";
import { applyNeighbours, applyRoutes, requestFor, routeOwner, type RoutesRead, sameRoute } from "./routes.ts";

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
  readonly wanted: ReadonlyMap<string, WantedRoute>;
  readonly links: RoutesRead["links"];
}

export function createRouteKeeper(home: NetworkNamespace, fixed: Omit<HostNetworkInput, "remoteNodes" | "localPods">): RouteKeeper {
  /** Rows are replaced and never changed: what follows from one does as long as it is there. */
  const ofRow = new WeakMap<object, readonly (readonly [string, WantedRoute])[]>();
  const entriesOf = <Row extends object>(row: Row, routes: (row: Row) => readonly WantedRoute[]) => {
    const entries = ofRow.get(row) ?? routes(row).map((route) => [String(route.destination), route] as const);
    ofRow.set(row, entries);
    return entries;
  };
  const wantedBy = ({ remoteNodes, localPods = [] }: HostNetworkInput): ReadonlyMap<string, WantedRoute> =>
    new Map([
      ...remoteNodes.flatMap((node) => entriesOf(node, () => routesTo(node, fixed))),
      ...localPods.flatMap((pod) => entriesOf(pod, () => routesToPod(pod, fixed))),
    ]);

  let known: Known | undefined;
  let expected: ReadonlyMap<string, WantedRoute> = new Map();
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
    const added = [...wanted].filter(([destination]) => !there.wanted.has(destination));
    const gone = [...there.wanted].filter(([destination]) => !wanted.has(destination));
    const same = (destination: string, one: WantedRoute): boolean => {
      const other = wanted.get(destination);
      return other === undefined || other === one || sameWanted(one, other);
    };
    const plain = ([destination, { linkName, insteadOf }]: (typeof added)[number]): boolean =>
      insteadOf === undefined && there.links.has(linkName) && !others.has(destination);
    if (![...there.wanted].every(([destination, route]) => same(destination, route)) || ![...added, ...gone].every(plain)) return undefined;

    const repairs: Repair[] = [];
    let taken = false;
    for (const [destination, route] of added)
      await attempts.row(`route ${destination}`, async () => {
        const address = neighbourFor(route, fixed);
        if (address !== undefined) await home.replaceNeighbour({ ...(await onGateway(address)), mac: tunnelMac });
        if (await home.addRoute(requestFor(route, there.links.get(route.linkName) ?? 0)))
          repairs.push({ target: "route", finding: "missing", what: destination });
        else taken = true;
      });
    for (const [destination, route] of gone)
      await attempts.row(`route ${destination}`, async () => {
        await home.deleteRoute(requestFor(route, there.links.get(route.linkName) ?? 0));
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
        change === "deleted" ? wanted === undefined : wanted !== undefined && linkIndex !== undefined && sameRoute(route, wanted, linkIndex)
      )
        return false;
      doubt();
      return true;
    },
    doubt,
  };
}

function sameWanted(one: WantedRoute, other: WantedRoute): boolean {
  const text = ({ destination, linkName, gateway, source, insteadOf }: WantedRoute): string =>
    [destination, linkName, gateway, source, insteadOf].join(" ");
  return text(one) === text(other);
}
