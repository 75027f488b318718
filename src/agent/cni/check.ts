import { CniError, type CniParameters, type NetworkConfig } from "#lib/cni/index.ts";
import { errorMessage } from "#lib/runtime/index.ts";
import type { CniDependencies } from "./dependencies.ts";
import { inspectPair } from "./pod-interface.ts";

/** Verifies that the pod is connected as the result of its ADD says. Throws CniError 103, with what is wrong. */
export async function checkPod(
  cni: CniDependencies,
  { parameters, config }: { parameters: CniParameters; config: NetworkConfig },
): Promise<void> {
  const { containerId, ifname, netns } = parameters;
  const { previous } = config;
  if (previous === undefined) throw new CniError("invalidConfig", "network configuration: prevResult is missing, which CHECK needs");
  const port = cni.ports.all().find((row) => row.containerId === containerId && row.podInterface === ifname);
  if (port === undefined) throw failed(`container ${containerId}: interface ${ifname} has no port in Open vSwitch`);
  if (port.ofport === undefined) throw failed(`port ${port.interfaceName} has no number in Open vSwitch`);
  const recorded = previous.addresses.map((address) => address.split("/")[0] ?? "");
  const missing = port.addresses.find((address) => !recorded.includes(String(address)));
  if (missing !== undefined || recorded.length !== port.addresses.length) {
    throw failed(`prevResult.ips has ${recorded.join(", ") || "no address"}, port ${port.interfaceName} ${port.addresses.join(", ")}`);
  }
  const inside = previous.interfaces.find(({ name, sandbox }) => name === ifname && sandbox !== undefined);
  if (inside?.mac !== undefined && inside.mac !== port.mac)
    throw failed(`prevResult: MAC address of ${ifname} is ${inside.mac}, the port has ${port.mac}`);
  const problem = await inspect();
  if (problem !== undefined) throw failed(problem);

  async function inspect(): Promise<string | undefined> {
    if (port === undefined) return undefined;
    try {
      const namespace = await cni.netlink.open(`${cni.pathPrefix}${netns}`);
      try {
        return await inspectPair(cni.netlink, namespace, { ...port, hostName: port.interfaceName });
      } finally {
        await namespace.close();
      }
    } catch (error) {
      return errorMessage(error);
    }
  }
}

function failed(problem: string): CniError {
  return new CniError("checkFailure", problem);
}
