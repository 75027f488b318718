import type { FeatureGate } from "#core/api/feature-gates.ts";
import type { Pipeline } from "#core/pipeline/index.ts";
import { version } from "#lib/daemon/index.ts";
import { profilePaths } from "#lib/profiling/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { AgentConfig } from "../config.ts";
import type { DriftLog } from "../drift.ts";
import type { FlowPipeline } from "../flows/index.ts";
import type { FqdnRules } from "../fqdn/index.ts";
import { healthOf, unrealizedRows } from "../health.ts";
import type { HeardPackets } from "../hear-packets.ts";
import type { HostNetwork } from "../host-network/index.ts";
import type { AgentMetrics } from "../metrics.ts";
import type { PodInterface } from "../ovs/local-ports.ts";
import type { SwitchControl } from "../platform.ts";
import { metricsRoute, probeRoutes, profileRoutes, viewRoutes } from "./routes.ts";
import type { Route } from "./server.ts";
import { switchFlows } from "./switch-flows.ts";
import type { AgentView, Health } from "./view.ts";

/** The parts of an agent that runs, as far as it tells of them. */
export interface RunningAgentOptions extends Pick<AgentView, "node" | "bridge" | "apiPort" | "transport" | "podMtu"> {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  readonly gates: readonly FeatureGate[];
  /** Says in which Pod the agent runs. */
  readonly environment: NodeJS.ProcessEnv;
  readonly control: SwitchControl;
  readonly connect: Parameters<typeof switchFlows>[0]["connect"];
  readonly pipeline: Pipeline;
  readonly ports: ReadTable<PodInterface>;
  readonly flows: FlowPipeline;
  readonly fqdn: FqdnRules;
  readonly heard: Pick<HeardPackets, "rejected" | "audited">;
  readonly hostNetwork: HostNetwork;
  readonly ovsdb: { readonly connected: boolean };
  readonly drift: DriftLog;
  readonly metrics: AgentMetrics;
  /** What the start still waits for, in words. */
  readonly waitingFor: ReadonlySet<string>;
}

/** What a running agent tells of itself: by the routes of its API, metrics among them, and by the view that they are read from. */
export function runningAgent(options: RunningAgentOptions): {
  readonly view: AgentView;
  readonly routes: Readonly<Record<string, Route>>;
} {
  const { runtime, config, environment, control, connect, pipeline, ports, flows, fqdn, heard, hostNetwork, ovsdb, metrics } = options;
  const { node, bridge, apiPort, transport, podMtu, gates } = options;
  const health = () => healthOf({ ovsdb, flows, hostNetwork });
  const down = (...types: readonly Health["type"][]): string[] =>
    health().flatMap(({ type, up, message }) => (up || !types.includes(type) ? [] : [`${type}: ${message ?? "False"}`]));
  const bridgeFlows = switchFlows({
    runtime,
    control,
    connect,
    pipeline,
    cookiesOf: (policy) => flows.flowsOfPolicy(policy).map(({ cookie }) => cookie),
    cookiesOfService: (service) => flows.ofService(service).flows.map(({ cookie }) => cookie),
  });
  metrics.watch({
    networkPolicies: flows.policies.networkPolicies,
    localPods: () => ports.size,
    tableNames: bridgeFlows.tableNames,
    flowCounts: bridgeFlows.counts,
    flows: flows.status,
    failures: () => hostNetwork.failures,
    drift: options.drift,
    fqdn,
    audit: heard.audited,
    rejected: heard.rejected,
  });
  const view: AgentView = {
    version,
    node,
    pod: environment.POD_NAME ? { namespace: environment.POD_NAMESPACE ?? "", name: environment.POD_NAME } : undefined,
    bridge,
    apiPort,
    transport,
    podMtu,
    gates,
    podInterfaces: ports,
    policies: flows.policies,
    switch: bridgeFlows,
    fqdn,
    health,
    unrealized: () => unrealizedRows({ flows, hostNetwork, fqdn }),
    policyEncoding: () => ({ ...flows.policyFigures(), problems: flows.policyProblems() }),
    now: () => new Date(runtime.clock.wall()),
    logger: runtime.logger,
  };
  const routes = {
    ...probeRoutes({
      ready: () => [
        ...options.waitingFor,
        ...down("OpenflowConnectionUp", "OVSDBConnectionUp", "ControllerConnectionUp"),
        ...[...hostNetwork.failures].map(([part, reason]) => `${part}: ${reason}`),
      ],
      alive: () => down("OpenflowConnectionUp"),
    }),
    ...(config.enablePrometheusMetrics ? metricsRoute(metrics) : {}),
    ...profileRoutes(profilePaths(runtime)),
    ...viewRoutes(view),
  };
  return { view, routes };
}
