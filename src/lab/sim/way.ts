import { tunnelOfport } from "#agent/ovs/bridge.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import { keyOf, type Pod } from "#lib/kube/index.ts";
import type { Processed, ReceivedPacket, SentPacket } from "#lib/openflow/switch/index.ts";
import type { SimNode } from "./node/node.ts";

// Where packets enter switches, and where they come to.

export const addressesOf = ({ status }: Pod): IpAddress[] => (status?.podIPs ?? []).map(({ ip }) => parseAddress(ip));

export const addressOf = (pod: Pod, family: 4 | 6): IpAddress | undefined => addressesOf(pod).find((address) => address.family === family);

/** The number of the pod's port at its node's switch; undefined while it has none. */
export function portOf(node: SimNode, pod: Pod): number | undefined {
  const key = keyOf(pod);
  for (const row of node.bridge.database.rows("Port")) {
    const ids = row.external_ids as ReadonlyMap<string, string>;
    if (`${ids.get("pod-namespace")}/${ids.get("pod-name")}` === key && ids.get("container-id")?.startsWith(pod.metadata.uid ?? "?"))
      return node.bridge.portNumber(String(row.name));
  }
  return undefined;
}

/** What comes of a packet for the tunnel at the switch of the other end; undefined when that is not the other end. */
export function arrive(
  there: SimNode,
  here: SimNode,
  { frame, tunnel }: SentPacket,
  process: (packet: ReceivedPacket) => Processed = (packet) => there.bridge.memory.process(packet),
): readonly SentPacket[] | undefined {
  const destination = tunnel?.destination;
  const source = here.addresses.find(({ family: outer }) => outer === destination?.family);
  if (source === undefined || destination === undefined || !there.addresses.some((address) => destination.equals(address)))
    return undefined;
  return process({ inPort: tunnelOfport, frame, tunnel: { source, destination } }).outputs;
}
