import { createHash } from "node:crypto";
import { type IpAddress, MacAddress } from "#lib/ip/index.ts";

const podNameCharacters = 8;
const usualPodInterface = "eth0";

/**
 * Name of a pod's interface on the node: up to eight characters of the pod's name and six of a digest of the container, so that people
 * recognise the pod and no two collide. The same rule as in Antrea (Go), whose tools look interfaces up by it.
 */
export function hostInterfaceName(pod: { readonly podName: string; readonly containerId: string; readonly podInterface: string }): string {
  const { podName, containerId, podInterface } = pod;
  const prefix = podName.length <= podNameCharacters ? podName : podName.slice(0, podNameCharacters).replace(/^-+/, "");
  const key = podInterface === usualPodInterface ? containerId : `${containerId}${podInterface}`;
  return `${prefix}-${createHash("sha1").update(key).digest("hex").slice(0, 6)}`;
}

/**
 * A pod's MAC address, the same for the same addresses: what neighbours remember of an address stays right when another pod gets it.
 * Locally administered, unicast (second bit set, first clear).
 */
export function podMac(addresses: readonly IpAddress[]): MacAddress {
  const [address] = addresses;
  if (address?.family === 4) return new MacAddress((0x0a58n << 32n) | address.value);
  const digest = createHash("sha1").update(String(address)).digest().subarray(0, 6);
  digest[0] = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return MacAddress.fromBytes(digest);
}
