export { type ClusterDns, followClusterDns } from "./cluster-dns.ts";
export { createFqdnRules, type FqdnRules, type FqdnRulesOptions } from "./rules.ts";
export type { WhenAgentIsDown } from "./keep-hold.ts";
export type { DnsServer } from "./resolver.ts";
export { createListenerPort, type ListenerPort, listenerName } from "./listener-port.ts";
export { serviceAddresses } from "./name-troubles.ts";
export { trackedDestinations } from "./tracked-connections.ts";
