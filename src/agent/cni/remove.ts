import type { CniParameters } from "#lib/cni/index.ts";
import { errorMessage } from "#lib/runtime/index.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { PodPort } from "./switch-ports.ts";

/** Disconnects what the container has, all of it or one interface. Succeeds when there is nothing. */
export async function removePod(
  cni: CniDependencies,
  { containerId, ifname }: Pick<CniParameters, "containerId" | "ifname">,
): Promise<void> {
  for (const port of cni.ports.all()) {
    if (port.containerId === containerId && port.podInterface === ifname) await removePort(cni, port);
  }
}

/**
 * What another plugin made, it deletes itself; ours is the port alone. Otherwise: takes the port out of the switch first, so that nothing is
 * forwarded to an address that is no longer the pod's; keeps the addresses back; then deletes the wire and the tracked connections.
 */
export async function removePort(cni: CniDependencies, port: PodPort): Promise<void> {
  if (!cni.chained) await keepBack(cni, port);
  await cni.ports.remove(port.interfaceName);
  const purged = purge(cni, port);
  if (!cni.chained) await cni.netlink.home.deleteLink({ name: port.interfaceName });
  await purged;
}

async function keepBack(cni: CniDependencies, port: PodPort): Promise<void> {
  try {
    await cni.quarantine.add(port.addresses);
  } catch (error) {
    // Kept back all the same, until a restart; on a full disk no pod could go.
    cni.runtime.logger.warn("addresses of a removed pod are kept back in memory alone", {
      interface: port.interfaceName,
      error: errorMessage(error),
    });
  }
}

async function purge(cni: CniDependencies, port: PodPort): Promise<void> {
  try {
    await cni.purgeConnections(port.addresses);
  } catch (error) {
    // Addresses are kept back longer than most connections last, and a pod must not stay because of this.
    cni.runtime.logger.warn("tracked connections of a removed pod stay until they time out", {
      interface: port.interfaceName,
      error: errorMessage(error),
    });
  }
}
