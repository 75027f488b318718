export type { CniSettings, PodNetwork, Readiness } from "./dependencies.ts";
export { gatewayAddress } from "./address-pool.ts";
export { type CniServerOptions, startCniServer } from "./start.ts";
export { connectionPurge } from "./connections.ts";
export { createSwitchPorts, type PodPort, type SwitchPorts } from "./switch-ports.ts";
export { podLinkGroup } from "./pod-interface.ts";
