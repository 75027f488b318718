import { InvalidConfig } from "#lib/config-file/index.ts";

export type Stage = "Alpha" | "Beta" | "GA" | "Deprecated";

interface Gate {
  readonly stage: Stage;
  readonly default: boolean;
  /** Cannot be turned off. */
  readonly locked?: true;
}

const alpha: Gate = { stage: "Alpha", default: false };
const beta: Gate = { stage: "Beta", default: true };

/** The agent's feature gates, with the names and defaults that configurations know. */
const gates: Readonly<Record<string, Gate>> = {
  AntreaIPAM: alpha,
  AntreaNodeConfig: beta,
  AntreaPolicy: beta,
  AntreaProxy: { stage: "GA", default: true },
  BGPPolicy: alpha,
  CleanupStaleUDPSvcConntrack: beta,
  Egress: beta,
  EgressSeparateSubnet: beta,
  EgressTrafficShaping: alpha,
  EndpointSlice: { stage: "GA", default: true, locked: true },
  ExternalNode: alpha,
  FlowExporter: alpha,
  IPsecCertAuth: alpha,
  L7NetworkPolicy: alpha,
  LoadBalancerModeDSR: alpha,
  Multicast: beta,
  Multicluster: alpha,
  NetworkPolicyStats: beta,
  NFTablesHostNetworkMode: alpha,
  NodeLatencyMonitor: alpha,
  NodeNetworkPolicy: alpha,
  NodePortLocal: { stage: "GA", default: true },
  PacketCapture: alpha,
  PreferSameTrafficDistribution: alpha,
  SecondaryNetwork: alpha,
  ServiceExternalIP: beta,
  ServiceTrafficDistribution: { stage: "GA", default: true, locked: true },
  SupportBundleCollection: alpha,
  TopologyAwareHints: { stage: "GA", default: true, locked: true },
  Traceflow: beta,
  TrafficControl: alpha,
};

/** Features that this version has: none of the gated ones yet. A gate that is on without its feature is told at start and by the API. */
const present: ReadonlySet<string> = new Set();

export interface FeatureGate {
  readonly name: string;
  readonly enabled: boolean;
  readonly stage: Stage;
}

/** Applies the `featureGates` of the configuration. Unknown names are noticed, as configurations of newer versions must load. */
export function resolveFeatureGates(
  configured: Readonly<Record<string, boolean>>,
  file: string,
): { readonly gates: readonly FeatureGate[]; readonly notices: readonly string[] } {
  const { AllAlpha, AllBeta, ...named } = configured;
  const notices: string[] = [];
  for (const [name, enabled] of Object.entries(named)) {
    const gate = Object.hasOwn(gates, name) ? gates[name] : undefined;
    if (gate === undefined) notices.push(`${file}: featureGates.${name} is not a gate of this version and is ignored`);
    else if (gate.locked && !enabled) throw new InvalidConfig(file, `featureGates.${name}`, "cannot be turned off");
    else if (enabled && !gate.default && !present.has(name))
      notices.push(`${file}: featureGates.${name} is on, but the feature is not there yet`);
  }
  const ofStage = (stage: Stage): boolean | undefined => (stage === "Alpha" ? AllAlpha : stage === "Beta" ? AllBeta : undefined);
  return {
    gates: Object.entries(gates).map(([name, gate]) => ({
      name,
      stage: gate.stage,
      enabled: named[name] ?? ofStage(gate.stage) ?? gate.default,
    })),
    notices,
  };
}
