import type { IpAddress } from "#lib/ip/index.ts";
import { createSharedMap, type SharedMap } from "#lib/table/index.ts";
import { type Route, routeProtocol, type RouteRequest, routeTable } from "./route.ts";

type RouteName = Pick<RouteRequest, "destination" | "table">;

/** The routes of one namespace in memory, one for each destination of a table. */
export interface MemoryRoutes {
  has(route: RouteName): boolean;
  put(request: RouteRequest): Route;
  /** The one that was there. */
  delete(route: RouteName): Route | undefined;
  all(passes?: (route: Route) => boolean): Route[];
}

/** Of one source: what machines of one process differ in. */
interface FromSource {
  readonly source: IpAddress | undefined;
  /** Without the source, by table and destination: machines that have the same destination objects have the same routes. */
  readonly routes: SharedMap<string, Route>;
}

export const createMemoryRoutes = (): MemoryRoutes => new RoutesBySource();

/** A class, as each pod of a cluster in memory has a namespace with routes. */
class RoutesBySource implements MemoryRoutes {
  readonly #bySource = new Map<string, FromSource>();

  has(route: RouteName): boolean {
    const key = keyOf(route);
    for (const { routes } of this.#bySource.values()) if (routes.has(key)) return true;
    return false;
  }

  put({ source, ...request }: RouteRequest): Route {
    const key = keyOf(request);
    this.#remove(key);
    const from = this.#routesFrom(source);
    const route = alike({ table: routeTable.main, protocol: routeProtocol.boot, scope: "universe", type: "unicast", ...request });
    from.routes.set(key, route);
    return withSource(route, from);
  }

  delete(route: RouteName): Route | undefined {
    return this.#remove(keyOf(route));
  }

  all(passes: (route: Route) => boolean = () => true): Route[] {
    return [...this.#bySource.values()].flatMap((from) => {
      const found: Route[] = [];
      for (const route of from.routes.values()) if (passes(route)) found.push(withSource(route, from));
      return found;
    });
  }

  #remove(key: string): Route | undefined {
    for (const from of this.#bySource.values()) {
      const route = from.routes.get(key);
      if (route === undefined) continue;
      from.routes.delete(key);
      return withSource(route, from);
    }
    return undefined;
  }

  #routesFrom(source: IpAddress | undefined): FromSource {
    const name = String(source);
    const from = this.#bySource.get(name) ?? { source, routes: createSharedMap<string, Route>() };
    this.#bySource.set(name, from);
    return from;
  }
}

const keyOf = ({ destination, table = routeTable.main }: RouteName): string => `${table} ${destination}`;

const withSource = (route: Route, { source }: FromSource): Route => (source === undefined ? route : { ...route, source });

/** The last one to each destination object. */
const latest = new WeakMap<Route["destination"], Route>();

/** The same route as another machine has, if it was the last one to that destination. */
function alike(route: Route): Route {
  const known = latest.get(route.destination);
  const names = Object.keys(route) as (keyof Route)[];
  if (known !== undefined && names.length === Object.keys(known).length && names.every((name) => route[name] === known[name])) return known;
  latest.set(route.destination, route);
  return route;
}
