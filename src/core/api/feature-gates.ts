import { InvalidConfig } from "#lib/config-file/index.ts";

export type Stage = "Alpha" | "Beta" | "GA" | "Deprecated";
export type Component = "agent" | "controller";

interface Gate {
  readonly stage: Stage;
  readonly default: boolean;
  /** Cannot be turned off. */
  readonly locked?: true;
  readonly components: readonly Component[];
}

const gate = (stage: Stage, components: readonly Component[], options: Partial<Gate> = {}): Gate => ({
  stage,
  default: stage === "Beta" || stage === "GA",
  components,
  ...options,
});
const agent = ["agent"] as const;
const controller = ["controller"] as const;
const both = ["agent", "controller"] as const;

/** Names, defaults and stages that existing configurations know. */
const gates: Readonly<Record<string, Gate>> = {
  AdminNetworkPolicy: gate("Deprecated", controller),
  AntreaIPAM: gate("Alpha", both),
  AntreaNodeConfig: gate("Beta", both),
  AntreaPolicy: gate("Beta", both),
  AntreaProxy: gate("GA", agent),
  BGPPolicy: gate("Alpha", agent),
  CleanupStaleUDPSvcConntrack: gate("Beta", agent),
  ClusterNetworkPolicy: gate("Alpha", controller),
  Egress: gate("Beta", both),
  EgressSeparateSubnet: gate("Beta", agent),
  EgressTrafficShaping: gate("Alpha", agent),
  EndpointSlice: gate("GA", agent, { locked: true }),
  ExternalNode: gate("Alpha", both),
  FlowExporter: gate("Alpha", agent),
  IPsecCertAuth: gate("Alpha", both),
  L7NetworkPolicy: gate("Alpha", both),
  LoadBalancerModeDSR: gate("Alpha", agent),
  Multicast: gate("Beta", both),
  Multicluster: gate("Alpha", both),
  NetworkPolicyStats: gate("Beta", both),
  NFTablesHostNetworkMode: gate("Alpha", agent),
  NodeIPAM: gate("Beta", controller),
  NodeLatencyMonitor: gate("Alpha", agent),
  NodeNetworkPolicy: gate("Alpha", agent),
  NodePortLocal: gate("GA", agent),
  PacketCapture: gate("Alpha", agent),
  PreferSameTrafficDistribution: gate("Alpha", agent),
  SecondaryNetwork: gate("Alpha", agent),
  ServiceExternalIP: gate("Beta", both),
  ServiceTrafficDistribution: gate("GA", agent, { locked: true }),
  SupportBundleCollection: gate("Alpha", both),
  TopologyAwareHints: gate("GA", agent, { locked: true }),
  Traceflow: gate("Beta", both),
  TrafficControl: gate("Alpha", agent),
};

/** Gated features that this version has. A gate that is turned on without its feature is told at start and by the API. */
const present: ReadonlySet<string> = new Set([
  "AdminNetworkPolicy",
  "AntreaPolicy",
  "AntreaProxy",
  "CleanupStaleUDPSvcConntrack",
  "ClusterNetworkPolicy",
  "EndpointSlice",
  "NetworkPolicyStats",
]);

/** Those of which the one program has its part and the other not yet. */
const presentIn: Readonly<Record<Component, ReadonlySet<string>>> = { agent: new Set(), controller: new Set(["ExternalNode"]) };

export interface FeatureGate {
  readonly name: string;
  readonly enabled: boolean;
  readonly stage: Stage;
}

export interface FeatureGates {
  readonly gates: readonly FeatureGate[];
  /** Lines for the log: unknown gates, and gates that are on without their feature. */
  readonly notices: readonly string[];
  /** Those of {@link notices} that are about unknown gates. */
  readonly unknown: readonly string[];
}

/**
 * Applies the `featureGates` of a configuration file. Unknown names are only noticed, as configurations of newer versions must load. Throws
 * {@link InvalidConfig} for a locked gate that is turned off.
 */
export function resolveFeatureGates(options: {
  readonly component: Component;
  readonly configured: Readonly<Record<string, boolean>>;
  readonly file: string;
}): FeatureGates {
  const { component, configured, file } = options;
  const { AllAlpha, AllBeta, ...named } = configured;
  const ofStage = (stage: Stage): boolean | undefined => (stage === "Alpha" ? AllAlpha : stage === "Beta" ? AllBeta : undefined);
  const unknown: string[] = [];
  for (const [name, enabled] of Object.entries(named)) {
    const found = Object.hasOwn(gates, name) ? gates[name] : undefined;
    if (found === undefined) unknown.push(`${file}: featureGates.${name} is not a gate of this version and is ignored`);
    else if (found.locked && !enabled) throw new InvalidConfig(file, `featureGates.${name}`, "cannot be turned off");
  }
  const own = Object.entries(gates)
    .filter(([, { components }]) => components.includes(component))
    .map(([name, { stage, default: byDefault }]) => ({ name, stage, enabled: named[name] ?? ofStage(stage) ?? byDefault }));
  const absent = own.filter(({ name, enabled }) => enabled && !present.has(name) && !presentIn[component].has(name));
  const turnedOn = absent.filter(({ name, stage }) => named[name] ?? ofStage(stage) ?? false).map(({ name }) => name);
  const byDefault = absent.map(({ name }) => name).filter((name) => !turnedOn.includes(name));
  return {
    gates: own,
    notices: [
      ...unknown,
      ...turnedOn.map((name) => `${file}: featureGates.${name} is on, but the feature is not there yet`),
      ...(byDefault.length === 0 ? [] : [`${file}: on by default, but not there yet: ${byDefault.join(", ")}`]),
    ],
    unknown,
  };
}
