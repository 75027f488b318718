import { CniError, type CniParameters, type NetworkConfig, type PreviousResult } from "#lib/cni/index.ts";
import { parseMac, tryParseAddress } from "#lib/ip/index.ts";
import { type Link, type NetworkNamespace, routeTable } from "#lib/netlink/index.ts";
import { type Duration, errorMessage, seconds } from "#lib/runtime/index.ts";
import { addToSwitch, becomeReady, openPodNamespace, podOf, tryLater } from "./add.ts";
import { withDeadline } from "./deadline.ts";
import type { CniDependencies } from "./dependencies.ts";
import { all, keepNodeOut, podLinkGroup } from "./pod-interface.ts";

/** A route takes a millisecond; the rest is for a node with much else to put right. */
const routeTimeout: Duration = seconds(10);

export interface ChainedRequest {
  readonly parameters: CniParameters;
  readonly config: NetworkConfig;
}

/**
 * `networkPolicyOnly`: another plugin has made the pod's interface. Its wire becomes a port of the switch, and the node's way to the pod goes by
 * the gateway from then on. What the other plugin said stays the result. On failure the wire is as it was, but for its settings.
 */
export async function adoptPod(cni: CniDependencies, { parameters, config }: ChainedRequest): Promise<void> {
  const pod = podOf(parameters);
  const { previous } = config;
  if (previous === undefined)
    throw new CniError(
      "invalidConfig",
      'network configuration: prevResult is missing: with trafficEncapMode networkPolicyOnly, "antrea" must come after the plugin that makes pods\' interfaces',
    );
  const namespace = await openPodNamespace(cni, parameters.netns);
  try {
    const { host, inside } = await wireOf(cni, { parameters, previous, namespace });
    const addresses = previous.addresses
      .map((text) => tryParseAddress(text.split("/")[0] ?? ""))
      .filter((address) => address !== undefined);
    const port = {
      interfaceName: host.name,
      mac: inside.mac ?? parseMac("00:00:00:00:00:00"),
      addresses,
      containerId: parameters.containerId,
      podInterface: parameters.ifname,
      podName: pod.name,
      podNamespace: pod.namespace,
      netns: parameters.netns,
    };
    const { ofport: claimed, release } = cni.ports.claim(port);
    try {
      if (!cni.txChecksumOffload)
        await all([
          namespace.setOffload(inside.name, "txChecksum", false),
          cni.netlink.home.setLink({ index: host.index }, { group: podLinkGroup }),
          ...keepNodeOut(cni.netlink.home, host.name),
        ]);
      const ofport = await addToSwitch(cni, { ...port, ofport: claimed });
      await withDeadline(cni.runtime.clock, routeTimeout, cni.podRouted, (reason) =>
        tryLater(`interface ${host.name}: the node's routes were not in place within ${routeTimeout / 1_000} s`, reason),
      );
      await tellRouters(cni, namespace, inside);
      await becomeReady(cni, { ...port, mac: String(port.mac), ofport });
    } catch (error) {
      await cni.ports.remove(host.name).catch((failure: unknown) => {
        cni.runtime.logger.error("failed ADD could not be undone whole", { interface: host.name, error: errorMessage(failure) });
      });
      release();
      throw error;
    }
    cni.runtime.logger.info("pod adopted", { pod: `${pod.namespace}/${pod.name}`, interface: host.name, addresses: addresses.join() });
  } finally {
    namespace.close().catch(() => {});
  }
}

/** Both ends of the pod's interface. Throws CniError 102 when it is no wire whose other end is in the node's namespace. */
async function wireOf(
  cni: CniDependencies,
  { parameters, previous, namespace }: { parameters: CniParameters; previous: PreviousResult; namespace: NetworkNamespace },
): Promise<{ readonly host: Link; readonly inside: Link }> {
  const { ifname } = parameters;
  if (previous.addresses.length === 0) throw unusable(ifname, "prevResult gives it no address");
  const inside = await namespace.findLink({ name: ifname });
  if (inside === undefined) throw unusable(ifname, "it is missing in the pod");
  const host = inside.peerIndex === undefined ? undefined : await cni.netlink.home.findLink({ index: inside.peerIndex });
  if (host === undefined || host.peerIndex !== inside.index)
    throw unusable(ifname, "it is no veth pair with its other end on the node, which networkPolicyOnly needs");
  return { host, inside };
}

/** The pod knows its IPv6 routers for good, where nobody would answer its solicitations for them. */
async function tellRouters({ routersMac: mac }: CniDependencies, namespace: NetworkNamespace, { index: linkIndex }: Link): Promise<void> {
  if (mac === undefined) return;
  const routes = await namespace.routes({ family: 6, table: routeTable.main });
  const routers = routes.flatMap(({ gateway, linkIndex: by }) => (gateway !== undefined && by === linkIndex ? [gateway] : []));
  await all(routers.map((address) => namespace.replaceNeighbour({ linkIndex, address, mac })));
}

const unusable = (ifname: string, problem: string): CniError =>
  new CniError("interfaceFailure", `interface ${ifname} that the plugin before this one made: ${problem}`);
