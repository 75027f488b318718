import type { LocalPort } from "#core/pipeline/rows.ts";
import { type AddResult, CniError, type CniParameters, type NetworkConfig } from "#lib/cni/index.ts";
import { parseMac } from "#lib/ip/index.ts";
import type { Link, NetworkNamespace } from "#lib/netlink/index.ts";
import { type Duration, errorMessage, seconds } from "#lib/runtime/index.ts";
import { gatewayAddress } from "./address-pool.ts";
import { announcePod } from "./announce.ts";
import { withDeadline } from "./deadline.ts";
import type { CniDependencies, PodNetwork } from "./dependencies.ts";
import { hostInterfaceName, podMac } from "./names.ts";
import { all, configurePodEnd, createPair, inspectPair } from "./pod-interface.ts";
import { removePort } from "./remove.ts";
import { createStopwatch } from "./stopwatch.ts";
import type { NewPodPort, PodPort } from "./switch-ports.ts";

/** How long ADD waits for the node's own network, as long as Antrea (Go) does. */
const networkTimeout: Duration = seconds(30);
/** Open vSwitch numbers a port within milliseconds; when it is stuck, the runtime had better hear of it. */
const portTimeout: Duration = seconds(10);
export interface AddRequest {
  readonly parameters: CniParameters;
  readonly config: NetworkConfig;
}

interface Pod {
  readonly name: string;
  readonly namespace: string;
}

/** Connects a pod, or finds it connected already. On failure nothing of it stays. */
export async function addPod(cni: CniDependencies, { parameters, config }: AddRequest): Promise<AddResult> {
  const pod = podOf(parameters);
  const network = await withDeadline(cni.runtime.clock, networkTimeout, cni.podNetwork, (reason) =>
    tryLater("the node's network is not ready: no pod CIDR, or Open vSwitch cannot be reached", reason),
  );
  const namespace = await openPodNamespace(cni, parameters.netns);
  try {
    const present = await findPresent(cni, parameters, namespace);
    if (present === undefined)
      return resultOf({ ...(await connect(cni, { parameters, config, pod, network, namespace })), network, config });
    return resultOf({ port: present, host: await cni.netlink.home.link({ name: present.interfaceName }), network, config });
  } finally {
    // Nobody waits for this one; closing fails only with the netlink thread, of which everything else tells.
    namespace.close().catch(() => {});
  }
}

export function podOf({ args }: CniParameters): Pod {
  const [name, namespace] = [args.get("K8S_POD_NAME"), args.get("K8S_POD_NAMESPACE")];
  if (!name || !namespace) {
    throw new CniError(
      "invalidEnvironment",
      `CNI_ARGS lacks ${name ? "K8S_POD_NAMESPACE" : "K8S_POD_NAME"}: a Kubernetes container runtime sets it`,
    );
  }
  return { name, namespace };
}

export async function openPodNamespace({ netlink, pathPrefix }: CniDependencies, netns: string): Promise<NetworkNamespace> {
  try {
    return await netlink.open(`${pathPrefix}${netns}`);
  } catch (error) {
    throw new CniError("invalidEnvironment", `CNI_NETNS: ${errorMessage(error)}`, { cause: error });
  }
}

/** The container's port, if it is there and sound; a broken one is removed, so that it can be made again. */
async function findPresent(
  cni: CniDependencies,
  { containerId, ifname, netns }: CniParameters,
  namespace: NetworkNamespace,
): Promise<PodPort | undefined> {
  const port = cni.ports.all().find((row) => row.containerId === containerId && row.podInterface === ifname);
  if (port === undefined) return undefined;
  const wanted = { ...port, hostName: port.interfaceName };
  const problem =
    port.netns === netns && port.ofport !== undefined ? await inspectPair(cni.netlink, namespace, wanted) : "it was another attempt's";
  if (problem === undefined) {
    await becomeReady(cni, port);
    return port;
  }
  cni.runtime.logger.warn("pod interface of an earlier attempt is made anew", { interface: port.interfaceName, containerId, problem });
  await removePort(cni, port);
  return undefined;
}

interface ConnectRequest extends AddRequest {
  readonly pod: Pod;
  readonly network: PodNetwork;
  readonly namespace: NetworkNamespace;
}

async function connect(cni: CniDependencies, request: ConnectRequest): Promise<{ readonly port: PodPort; readonly host: Link }> {
  const { parameters, config, pod, network, namespace } = request;
  const allocations = cni.pool.allocate(network.podCIDRs);
  const addresses = allocations.map(({ address }) => address);
  const mac = podMac(addresses);
  const identity = {
    containerId: parameters.containerId,
    podInterface: parameters.ifname,
    podName: pod.name,
    podNamespace: pod.namespace,
    netns: parameters.netns,
    addresses,
  };
  const interfaceName = hostInterfaceName(identity);
  const wire = {
    hostName: interfaceName,
    podInterface: parameters.ifname,
    mac,
    mtu: config.mtu || network.mtu,
    allocations,
    txChecksumOffload: cni.txChecksumOffload,
  };
  const { during, parts } = createStopwatch(cni.runtime.clock);
  const made = { interfaceName, mac, ...identity };
  const port = { ...made, mac: String(mac) };
  const failed = new AbortController();
  // The number is ours to choose, so flows and policies are made beside the interface and neither waits for the other.
  const { ofport: claimed, release } = cni.ports.claim(made);
  try {
    const [{ ofport, host, inside }] = await all([
      asInterfaceFailure(interfaceName, () => during("interfaceMs", () => makeInterface())).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
      during("policiesMs", () => becomeReady(cni, { ...port, ofport: claimed }, failed.signal)),
    ]);
    if (ofport !== claimed) {
      cni.runtime.logger.warn("Open vSwitch gave the port another number than was asked for", {
        interface: interfaceName,
        claimed,
        ofport,
      });
      await becomeReady(cni, { ...port, ofport });
    }
    await during("announceMs", () => announcePod(cni, namespace, { addresses, mac, linkIndex: inside.index }));
    cni.runtime.logger.info("pod connected", {
      pod: `${pod.namespace}/${pod.name}`,
      interface: interfaceName,
      addresses: addresses.join(),
      ...parts,
    });
    return { port: { ...port, ofport }, host };
  } catch (error) {
    await undo(cni, { ...port, ofport: undefined });
    release();
    throw error;
  } finally {
    cni.pool.release(allocations);
  }

  async function makeInterface(): Promise<{ readonly ofport: number; readonly host: Link; readonly inside: Link }> {
    const { host, inside } = await during("pairMs", () => createPair(cni.netlink, namespace, wire));
    // The switch and the pod's own end do not need each other; neither do their waits.
    const [ofport] = await all([
      during("switchPortMs", () => addToSwitch(cni, { ...made, ofport: claimed })),
      during("podEndMs", () => configurePodEnd(namespace, wire, inside)),
    ]);
    return { ofport, host, inside };
  }
}

export function addToSwitch(cni: CniDependencies, port: NewPodPort & { readonly ofport: number }): Promise<number> {
  return withDeadline(
    cni.runtime.clock,
    portTimeout,
    (signal) => cni.ports.add(port, signal),
    (reason) => tryLater(`interface ${port.interfaceName}: Open vSwitch did not take it within ${portTimeout / 1_000} s`, reason),
  );
}

/** The first error is what the runtime hears; what cannot be undone now is found by the collection later. */
async function undo(cni: CniDependencies, port: PodPort): Promise<void> {
  try {
    await removePort(cni, port);
  } catch (error) {
    cni.runtime.logger.error("failed ADD could not be undone whole", { interface: port.interfaceName, error: errorMessage(error) });
  }
}

export async function becomeReady(cni: CniDependencies, port: PodPort, failed?: AbortSignal): Promise<void> {
  const { timeout, onTimeout } = cni.readiness;
  const row: LocalPort = { ...port, ofport: port.ofport ?? 0, mac: parseMac(port.mac) };
  const pod = `${port.podNamespace}/${port.podName}`;
  try {
    await withDeadline(
      cni.runtime.clock,
      timeout,
      (signal) => cni.podReady(row, failed === undefined ? signal : AbortSignal.any([signal, failed])),
      (reason) =>
        cni.knowsPod({ namespace: port.podNamespace, name: port.podName })
          ? tryLater(`pod ${pod}: its policies were not enforced within ${timeout / 1_000} s`, reason)
          : tryLater(
              `pod ${pod}: the Kubernetes API did not tell of it within ${timeout / 1_000} s, so its policies are not known`,
              reason,
            ),
    );
  } catch (error) {
    if (onTimeout === "fail" || failed?.aborted || !(error instanceof CniError)) throw error;
    cni.runtime.logger.warn("pod starts without its policies; its packets are dropped until they are computed", {
      pod,
      error: error.message,
    });
  }
}

function resultOf({
  port,
  host,
  network,
  config,
}: {
  readonly port: PodPort;
  readonly host: Link;
  readonly network: PodNetwork;
  readonly config: NetworkConfig;
}): AddResult {
  const none = parseMac("00:00:00:00:00:00");
  const addresses = port.addresses.flatMap((address) => {
    const block = network.podCIDRs.find((candidate) => candidate.contains(address));
    return block === undefined ? [] : [{ address, prefixLength: block.length, gateway: gatewayAddress(block), interfaceIndex: 1 }];
  });
  return {
    interfaces: [
      { name: port.interfaceName, mac: host.mac ?? none },
      { name: port.podInterface, mac: parseMac(port.mac), sandbox: port.netns },
    ],
    addresses,
    routes: addresses.map(({ gateway }) => ({ destination: gateway.family === 4 ? "0.0.0.0/0" : "::/0", gateway })),
    dns: config.dns,
  };
}

async function asInterfaceFailure<T>(interfaceName: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw new CniError("interfaceFailure", `interface ${interfaceName} cannot be made: ${errorMessage(error)}`, { cause: error });
  }
}

export function tryLater(message: string, reason: unknown): CniError {
  return new CniError("tryAgainLater", message, { details: errorMessage(reason), cause: reason });
}
