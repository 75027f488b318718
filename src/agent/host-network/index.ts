export { routeOwner } from "./apply.ts";
export { type HostNetwork, type HostNetworkOptions, keepHostNetwork } from "./keep.ts";
