import { MacAddress } from "#lib/ip/mac.ts";

/**
 * How a packet that this node's own stack made is told from one that the node only forwards: such packets skip ingress policy (the kubelet's
 * probes). The host writes the mark on packets that leave through the gateway and are no replies; see docs/design/pipeline.md.
 *
 * On the `system` datapath the carrier is the packet mark: this bit, the same that antrea (Go) uses.
 */
export const hostMarkBit = 1n << 31n;

/** On the `netdev` datapath marks do not reach Open vSwitch: there the host writes this source address instead of the gateway's own. */
export const hostMarkMac = new MacAddress(0xaabbccddeefen);

/** Destination of packets that a tunnel carries: one locally administered address for all nodes, as no frame leaves the tunnel with it. */
export const tunnelMac = new MacAddress(0xaabbccddeeffn);
