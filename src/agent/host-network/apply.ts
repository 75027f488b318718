import { tunnelMac } from "#core/pipeline/index.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import { isErrno, LinkNotFound, type NetworkNamespace, type Route, type RouteRequest, routeTable } from "#lib/netlink/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import type { DriftTarget, Finding } from "../drift.ts";
import type { Attempts } from "./attempts.ts";
import { RouteTaken } from "./errors.ts";
import { gatewayAddresses, type HostNetworkInput, type Setting, type WantedRoute, wantedNeighbours, wantedRoutes } from "./desired.ts";

/** `rtm_protocol` of our routes, by which we find them again and leave all others alone. Free in `/etc/iproute2/rt_protos`. */
export const routeOwner = 170;

/** What was not as it should be, and was put right. */
export interface Repair {
  readonly target: Extract<DriftTarget, "gateway" | "route" | "setting" | "nftables">;
  readonly finding: Finding;
  readonly what: string;
}

/** How rows are brought about. */
export interface RowOptions {
  /** Whether all rows that should be there are known. */
  readonly mayDelete: boolean;
  /** Keeps what is refused. */
  readonly attempts: Attempts;
}

/** The gateway is a device of ours: it is up, and has the addresses it should have and no others. */
export async function applyGateway(home: NetworkNamespace, input: HostNetworkInput): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, what: string): void => void repairs.push({ target: "gateway", finding, what });
  const link = await home.link({ name: input.gateway });
  if (!link.up || link.mtu !== input.mtu) {
    await home.setLink({ index: link.index }, { up: true, mtu: input.mtu });
    repaired("changed", `${input.gateway} ${link.up ? "up" : "down"} mtu ${link.mtu}`);
  }
  if (input.datapath === "netdev" && (await home.getOffload(input.gateway, "txChecksum"))) {
    await home.setOffload(input.gateway, "txChecksum", false);
    repaired("changed", "tx-checksumming");
  }
  const wanted = gatewayAddresses(input);
  const present = (await home.addresses({ linkIndex: link.index })).filter(({ scope }) => scope === "universe");
  const isWanted = (row: (typeof present)[number]): boolean =>
    wanted.some(({ address, prefixLength }) => row.address.equals(address) && row.prefixLength === prefixLength);
  const missing = wanted.filter(
    ({ address, prefixLength }) => !present.some((row) => row.address.equals(address) && row.prefixLength === prefixLength),
  );
  for (const address of missing) {
    await home.addAddress({ ...address, linkIndex: link.index, noDuplicateDetection: true });
    repaired("missing", `${address.address}/${address.prefixLength}`);
  }
  for (const row of present) {
    if (isWanted(row)) continue;
    await home.deleteAddress(row);
    repaired("unknown", `${row.address}/${row.prefixLength}`);
  }
  return repairs;
}

/**
 * Adds what is missing and replaces what differs; with `mayDelete`, removes routes of ours that nobody wants any more. A route of somebody
 * else to the same destination stays, and is the row's error.
 */
export async function applyRoutes(home: NetworkNamespace, input: HostNetworkInput, { mayDelete, attempts }: RowOptions): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, destination: string): void => void repairs.push({ target: "route", finding, what: destination });
  const wanted = new Map(wantedRoutes(input).map((route) => [String(route.destination), route]));
  const links = await linkIndexes(home, wanted.values());
  for (const family of [4, 6] as const) {
    const inMain = new Map<string, Route[]>();
    for (const route of await home.routes({ family, table: routeTable.main })) {
      const destination = String(route.destination);
      inMain.set(destination, [...(inMain.get(destination) ?? []), route]);
    }
    for (const [destination, route] of wanted) {
      if (route.destination.family !== family) continue;
      const present = inMain.get(destination) ?? [];
      const linkIndex = links.get(route.linkName);
      if (linkIndex !== undefined && present.some((row) => row.protocol === routeOwner && sameRoute(row, route, linkIndex))) continue;
      await attempts.row(`route ${destination}`, async () => {
        if (linkIndex === undefined) throw new LinkNotFound(route.linkName);
        const others = present.filter(({ protocol }) => protocol !== routeOwner);
        const givesWay = (row: Route): boolean => route.insteadOf !== undefined && row.linkIndex === links.get(route.insteadOf);
        const taken = others.find((row) => !givesWay(row));
        if (taken !== undefined) throw new RouteTaken(route.destination, taken.protocol);
        // Those of others on the pod's wire would stay beside ours. One of ours over another link leads to the new gateway: Linux then refuses IPv6.
        for (const row of present) if (row.linkIndex !== linkIndex) await home.deleteRoute(row);
        await home.replaceRoute(requestFor(route, linkIndex));
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
  return repairs;
}

/** Tells the gateway's link who its next hops are, where nobody would answer; with `mayDelete`, forgets those of nodes that are gone. */
export async function applyNeighbours(
  home: NetworkNamespace,
  input: HostNetworkInput,
  { mayDelete, attempts }: RowOptions,
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const repaired = (finding: Finding, address: IpAddress): void =>
    void repairs.push({ target: "route", finding, what: `neighbour ${address}` });
  const wanted = new Map(wantedNeighbours(input).map((address) => [String(address), address]));
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
  const names = new Set([...routes].flatMap(({ linkName, insteadOf }) => [linkName, ...(insteadOf === undefined ? [] : [insteadOf])]));
  const found = await Promise.all([...names].map(async (name) => [name, (await home.findLink({ name }))?.index] as const));
  return new Map(found.flatMap(([name, index]) => (index === undefined ? [] : [[name, index] as const])));
}

const requestFor = ({ destination, gateway, source }: WantedRoute, linkIndex: number): RouteRequest => ({
  destination,
  linkIndex,
  protocol: routeOwner,
  ...(gateway === undefined ? {} : { gateway, onLink: true }),
  ...(source === undefined ? {} : { source }),
});

function sameRoute(present: Route, wanted: WantedRoute, linkIndex: number): boolean {
  const same = (one: IpAddress | undefined, other: IpAddress | undefined): boolean =>
    one === undefined || other === undefined ? one === other : one.equals(other);
  return (
    present.linkIndex === linkIndex &&
    same(present.gateway, wanted.gateway) &&
    // A source that we leave to the kernel is none of our business.
    (wanted.source === undefined || same(present.source, wanted.source))
  );
}

/** Writes the settings that differ. One the kernel lacks is told and left: a kernel without IPv6 has none of its. */
export async function applySettings(
  home: NetworkNamespace,
  settings: readonly Setting[],
  { logger, attempts }: { readonly logger: Logger } & Pick<RowOptions, "attempts">,
): Promise<Repair[]> {
  const repairs: Repair[] = [];
  // Asked together, they travel together: a call of its own wakes two threads.
  const values = await Promise.all(settings.map(({ path }) => home.readSysctl(path)));
  for (const [index, { path, value, only }] of settings.entries()) {
    const present = values[index];
    if (present === undefined) logger.debug("setting does not exist here", { path });
    if (present === undefined || present === value || (only !== undefined && present !== only)) continue;
    await attempts.row(`setting ${path}`, async () => {
      try {
        await home.writeSysctl(path, value);
        repairs.push({ target: "setting", finding: "changed", what: path });
      } catch (error) {
        if (!isErrno(error, "EROFS", "EACCES", "EPERM")) throw error;
        logger.error("setting cannot be changed; let the agent write to /proc/sys, or set it by hand", {
          path,
          value,
          error: errorMessage(error),
        });
      }
    });
  }
  return repairs;
}
