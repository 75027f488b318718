import { CodedError } from "#lib/runtime/errors.ts";

/** Open vSwitch has the port but could not make it work. */
export class PortRefused extends CodedError {
  constructor(bridge: string, port: string, reason: string) {
    super("OVS_PORT_REFUSED", `bridge ${bridge}: port ${port}: ${reason}`);
  }
}

/** Open vSwitch cannot make the bridge, of which its database tells no reason: most often `ovsDatapathType: system` on a kernel without the module. */
export class BridgeRefused extends CodedError {
  constructor(bridge: string, datapathType: string) {
    const wayOut =
      datapathType === "system"
        ? "is the kernel's module openvswitch loaded (modprobe openvswitch)? ovsDatapathType: netdev forwards in user space without it"
        : "its log says why";
    super("OVS_BRIDGE_REFUSED", `bridge ${bridge}: Open vSwitch cannot make it with ovsDatapathType ${datapathType}: ${wayOut}`);
  }
}

/** The tunnels of the configuration run over IPv4 alone, and the transport interface has no such address. */
export class NoTunnelAddress extends CodedError {
  constructor(tunnelType: string, interfaceName: string) {
    super(
      "NO_TUNNEL_ADDRESS",
      `tunnelType ${tunnelType} does not run over IPv6, and transport interface ${interfaceName} has no IPv4 address: use geneve or vxlan`,
    );
  }
}

/** The node has other pod addresses or another transport interface than at the agent's start: the agent ends, to be started with these. */
export class NodeChanged extends CodedError {
  constructor(node: string, what: string) {
    super("NODE_CHANGED", `node ${node} changed: ${what}; starting anew`);
  }
}

/** No interface fits the configuration of the transport network. */
export class NoTransportInterface extends CodedError {
  constructor(wanted: string) {
    super("NO_TRANSPORT_INTERFACE", `no interface of this node ${wanted}; set transportInterface or transportInterfaceCIDRs`);
  }
}
