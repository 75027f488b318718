export { routeOwner } from "./routes.ts";
export { type HostNetwork, type HostNetworkOptions, keepHostNetwork } from "./keep.ts";
