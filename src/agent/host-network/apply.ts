import { isErrno, type NetworkNamespace, type Route, routeTable } from "#lib/netlink/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import { RouteTaken } from "./errors.ts";
import { gatewayAddresses, type HostNetworkInput, type PodRoute, podRoutes, type Setting } from "./desired.ts";

/** `rtm_protocol` of our routes, by which we find them again and leave all others alone. Free in `/etc/iproute2/rt_protos`. */
export const routeOwner = 170;

/** The gateway is a device of ours: it is up, and has the addresses it should have and no others. */
export async function applyGateway(home: NetworkNamespace, input: HostNetworkInput): Promise<void> {
  const link = await home.link({ name: input.gateway });
  if (!link.up || link.mtu !== input.mtu) await home.setLink({ index: link.index }, { up: true, mtu: input.mtu });
  if (input.datapath === "netdev" && (await home.getOffload(input.gateway, "txChecksum"))) {
    await home.setOffload(input.gateway, "txChecksum", false);
  }
  const wanted = gatewayAddresses(input.podCIDRs);
  const present = (await home.addresses({ linkIndex: link.index })).filter(({ scope }) => scope === "universe");
  const isWanted = (row: (typeof present)[number]): boolean =>
    wanted.some(({ address, prefixLength }) => row.address.equals(address) && row.prefixLength === prefixLength);
  const missing = wanted.filter(
    ({ address, prefixLength }) => !present.some((row) => row.address.equals(address) && row.prefixLength === prefixLength),
  );
  for (const address of missing) await home.addAddress({ ...address, linkIndex: link.index, noDuplicateDetection: true });
  for (const row of present) if (!isWanted(row)) await home.deleteAddress(row);
}

/**
 * Adds what is missing and replaces what differs; with `mayDelete`, removes routes of ours that nobody wants any more. A route of somebody
 * else to the same destination stays, and is the error.
 */
export async function applyRoutes(
  home: NetworkNamespace,
  input: HostNetworkInput,
  { mayDelete }: { readonly mayDelete: boolean },
): Promise<void> {
  const { index: linkIndex } = await home.link({ name: input.gateway });
  const wanted = podRoutes(input);
  const problems: Error[] = [];
  for (const family of [4, 6] as const) {
    const inMain = await home.routes({ family, table: routeTable.main });
    const ours = inMain.filter(({ protocol }) => protocol === routeOwner);
    const ofFamily = wanted.filter(({ destination }) => destination.family === family);
    for (const route of ofFamily) {
      if (ours.some((present) => sameRoute(present, route, linkIndex))) continue;
      const other = inMain.find((present) => present.protocol !== routeOwner && present.destination.equals(route.destination));
      if (other !== undefined) problems.push(new RouteTaken(route.destination, other.protocol));
      else await home.replaceRoute({ ...route, linkIndex, onLink: true, protocol: routeOwner });
    }
    const stale = ours.filter((present) => !ofFamily.some(({ destination }) => destination.equals(present.destination)));
    if (mayDelete) for (const route of stale) await home.deleteRoute(route);
  }
  if (problems[0] !== undefined) throw problems[0];
}

function sameRoute(present: Route, wanted: PodRoute, linkIndex: number): boolean {
  return (
    present.destination.equals(wanted.destination) &&
    present.linkIndex === linkIndex &&
    present.gateway?.equals(wanted.gateway) === true &&
    present.source?.equals(wanted.source) === true
  );
}

/** Writes the settings that differ. One the kernel lacks is told and left: a kernel without IPv6 has none of its. */
export async function applySettings(home: NetworkNamespace, settings: readonly Setting[], logger: Logger): Promise<void> {
  for (const { path, value, only } of settings) {
    const present = await home.readSysctl(path);
    if (present === undefined) logger.debug("setting does not exist here", { path });
    if (present === undefined || present === value || (only !== undefined && present !== only)) continue;
    try {
      await home.writeSysctl(path, value);
    } catch (error) {
      if (!isErrno(error, "EROFS", "EACCES", "EPERM")) throw error;
      logger.error("setting cannot be changed; let the agent write to /proc/sys, or set it by hand", {
        path,
        value,
        error: errorMessage(error),
      });
    }
  }
}
