import { CodedError } from "#lib/runtime/errors.ts";

/** Open vSwitch has the port but could not make it work. */
export class PortRefused extends CodedError {
  constructor(bridge: string, port: string, reason: string) {
    super("OVS_PORT_REFUSED", `bridge ${bridge}: port ${port}: ${reason}`);
  }
}

/** No interface fits the configuration of the transport network. */
export class NoTransportInterface extends CodedError {
  constructor(wanted: string) {
    super("NO_TRANSPORT_INTERFACE", `no interface of this node ${wanted}; set transportInterface or transportInterfaceCIDRs`);
  }
}
