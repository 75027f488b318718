import type { IpAddress, MacAddress } from "#lib/ip/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { isErrno, type Link, type Netlink, type NetworkNamespace } from "#lib/netlink/index.ts";
import type { Allocation } from "./address-pool.ts";

/** The two ends of a pod's wire. */
export interface PodInterfaceRequest {
  readonly hostName: string;
  readonly podInterface: string;
  readonly mac: MacAddress;
  readonly mtu: number;
  readonly allocations: readonly Allocation[];
  /** False on the netdev datapath, which does not fill in checksums that the sender left open, and takes copies of frames, not the frames. */
  readonly txChecksumOffload: boolean;
}

/** Interface group of the node's ends of all pods' wires ("antr" in ASCII), for rules that hold for every one of them. */
export const podLinkGroup = 0x61_6e_74_72;

const defaultRoute = { 4: parsePrefix("0.0.0.0/0"), 6: parsePrefix("::/0") } as const;

/** Both ends as the kernel made them. */
export interface Pair {
  readonly host: Link;
  readonly inside: Link;
}

/** Makes the pair: the node's end up, the pod's end down and bare in its namespace. An end that an ADD cut short left behind is replaced. */
export async function createPair(netlink: Netlink, pod: NetworkNamespace, request: PodInterfaceRequest): Promise<Pair> {
  const { hostName, podInterface, mac, mtu } = request;
  const create = async (): Promise<Pair> => {
    // Asked together, they travel together; the first failure is that of the creation.
    const [, host, inside] = await all([
      netlink.home.createVeth({ name: hostName, mtu, up: true, group: podLinkGroup }, { name: podInterface, mac, mtu, namespace: pod }),
      netlink.home.link({ name: hostName }),
      pod.link({ name: podInterface }),
      ...(request.txChecksumOffload ? [] : keepNodeOut(netlink.home, hostName)),
    ]);
    return { host, inside };
  };
  try {
    return await create();
  } catch (error) {
    if (!isErrno(error, "EEXIST") || !(await netlink.home.deleteLink({ name: hostName }))) throw error;
    return create();
  }
}

/**
 * On the netdev datapath the switch gets a copy of each frame of the pod, and the node's own stack the frame. The stack must not act on it: it
 * would answer ARP with the MAC address of the wire, and forward what is then sent there past all policies. What these settings do not hold
 * back (broadcasts from 0.0.0.0, multicast to all hosts), a rule of nftables for the group does (host-network/firewall.ts).
 */
export function keepNodeOut(home: NetworkNamespace, name: string): Promise<void>[] {
  const settings = {
    // No answer to any ARP request; nothing accepted or forwarded, as no route leads back by the wire; no IPv6 at all.
    [`net/ipv4/conf/${name}/arp_ignore`]: "8",
    [`net/ipv4/conf/${name}/rp_filter`]: "1",
    [`net/ipv4/conf/${name}/forwarding`]: "0",
    [`net/ipv6/conf/${name}/disable_ipv6`]: "1",
  };
  // A kernel without IPv6 lacks its files.
  return Object.entries(settings).map(([path, value]) => ignoring(home.writeSysctl(path, value), "ENOENT"));
}

/** Gives the pod's end its addresses and routes and sets it up. Usable at once: no duplicate address detection, and no router adverts heard. */
export async function configurePodEnd(pod: NetworkNamespace, request: PodInterfaceRequest, { index: linkIndex }: Link): Promise<void> {
  const { podInterface: name, allocations } = request;
  const setting = (key: string): string => `net/ipv6/conf/${name}/${key}`;
  const addAddresses = (): Promise<unknown> =>
    all(allocations.map(({ address, prefixLength }) => pod.addAddress({ linkIndex, address, prefixLength, noDuplicateDetection: true })));
  const addRoutes = (): Promise<unknown> =>
    all(allocations.map(({ gateway }) => pod.replaceRoute({ destination: defaultRoute[gateway.family], gateway, linkIndex })));
  try {
    await all([
      // A kernel without IPv6 lacks these files, and needs none.
      ...["accept_dad", "accept_ra"].map((key) => ignoring(pod.writeSysctl(setting(key), "0"), "ENOENT")),
      ...(request.txChecksumOffload ? [] : [pod.setOffload(name, "txChecksum", false)]),
      pod.setLink({ index: linkIndex }, { up: true }),
      addAddresses(),
      addRoutes(),
    ]);
  } catch (error) {
    // Some runtimes switch IPv6 off in new namespaces. Asked only then: the setting takes a lock that the switch wants at the same moment.
    if (!isErrno(error, "EACCES") || (await pod.readSysctl(setting("disable_ipv6"))) !== "1") throw error;
    await pod.writeSysctl(setting("disable_ipv6"), "0");
    await addAddresses();
    await addRoutes();
  }
}

/** What is wrong with a pod's interface, in words; nothing when it is as it should be. */
export async function inspectPair(
  netlink: Netlink,
  pod: NetworkNamespace,
  wanted: { readonly hostName: string; readonly podInterface: string; readonly mac: string; readonly addresses: readonly IpAddress[] },
): Promise<string | undefined> {
  const { hostName, podInterface, mac, addresses } = wanted;
  const [host, inside] = await Promise.all([netlink.home.findLink({ name: hostName }), pod.findLink({ name: podInterface })]);
  if (host === undefined) return `interface ${hostName} is missing on the node`;
  if (inside === undefined) return `interface ${podInterface} is missing in the pod`;
  if (inside.peerIndex !== host.index) return `interface ${podInterface} of the pod is not the other end of ${hostName}`;
  if (!host.up) return `interface ${hostName} is down on the node`;
  if (!inside.up) return `interface ${podInterface} is down in the pod`;
  if (String(inside.mac) !== mac) return `interface ${podInterface} has MAC address ${inside.mac}, should have ${mac}`;
  const [present, routes4, routes6] = await Promise.all([
    pod.addresses({ linkIndex: inside.index }),
    pod.routes({ family: 4 }),
    pod.routes({ family: 6 }),
  ]);
  for (const address of addresses) {
    if (!present.some((row) => row.address.equals(address))) return `interface ${podInterface} lacks address ${address}`;
    const routes = address.family === 4 ? routes4 : routes6;
    const found = routes.some(({ destination, linkIndex }) => destination.length === 0 && linkIndex === inside.index);
    if (!found) return `the pod lacks an IPv${address.family} default route through ${podInterface}`;
  }
  return undefined;
}

/** As Promise.all, but failing only when all have ended: what is undone afterwards must not race with what still runs. */
export async function all<const Results extends readonly unknown[]>(
  promises: { readonly [Index in keyof Results]: Promise<Results[Index]> },
): Promise<Results> {
  await Promise.allSettled(promises);
  return (await Promise.all(promises)) as unknown as Results;
}

async function ignoring(promise: Promise<unknown>, errno: string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isErrno(error, errno)) throw error;
  }
}
