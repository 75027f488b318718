import { join } from "node:path";
import type { Pipeline } from "#core/pipeline/index.ts";
import type { MacAddress } from "#lib/ip/index.ts";
import { type KubeClient, type Pod, pods } from "#lib/kube/index.ts";
import type { Netlink } from "#lib/netlink/index.ts";
import type { OpenFlowConnection } from "#lib/openflow/connection.ts";
import type { OpenVSwitch, OvsdbClient } from "#lib/ovsdb/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { connectionPurge, createSwitchPorts, type PodNetwork, startCniServer } from "./cni/index.ts";
import type { AgentConfig } from "./config.ts";
import type { DriftLog } from "./drift.ts";
import type { FlowPipeline } from "./flows/index.ts";
import type { HostNetwork } from "./host-network/index.ts";
import type { OvsReplica } from "./ovs/bridge.ts";
import { keepPodPorts } from "./ovs/keep-pod-ports.ts";
import type { PodInterface } from "./ovs/local-ports.ts";
import { followPortArrivals } from "./ovs/port-arrivals.ts";
import type { PortClaims } from "./ovs/port-claims.ts";
import type { AgentPlatform } from "./platform.ts";
import { openWhenJudged } from "./pod-readiness.ts";

export interface ServePodsOptions {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  readonly platform: Pick<AgentPlatform, "files" | "listenForCni">;
  readonly client: KubeClient;
  readonly netlink: Netlink;
  readonly ovsdb: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly claims: PortClaims;
  readonly bridge: string;
  readonly connect: (signal: AbortSignal) => Promise<OpenFlowConnection>;
  readonly pipeline: Pipeline;
  readonly flows: FlowPipeline;
  /** Resolves when the switch's cache follows the flows that it has. */
  readonly cacheFresh: () => Promise<void>;
  readonly hostNetwork: Pick<HostNetwork, "whenRouted">;
  /** Of this node. */
  readonly pods: ReadTable<Pod>;
  readonly ports: ReadTable<PodInterface>;
  readonly podNetwork: PodNetwork;
  /** Addresses and routes are the business of the plugin before ours. */
  readonly chained: boolean;
  readonly gatewayMac: MacAddress;
  readonly drift: DriftLog;
  readonly signal: AbortSignal;
}

/** Serves antrea-cni: pods get their wires and ports, which are put back when somebody takes them away, are opened once their policies are in force, and are forgotten with what they had under way. */
export async function servePods(options: ServePodsOptions): Promise<{ close(): Promise<void> }> {
  const { runtime, config, platform, client, netlink, ovsdb, replica, bridge, connect, pipeline, flows, ports, drift, signal } = options;
  const { chained, podNetwork, hostNetwork } = options;
  const switchPorts = createSwitchPorts({
    client: ovsdb,
    replica,
    claims: options.claims,
    arrivals: followPortArrivals({ runtime, connect, signal }),
    bridge,
  });
  keepPodPorts({
    runtime,
    client: ovsdb,
    replica,
    bridge,
    removes: switchPorts.removed,
    exists: async (name) => (await netlink.home.findLink({ name })) !== undefined,
    drift,
    signal,
  });
  const purgeConnections = connectionPurge({
    clock: runtime.clock,
    pipeline,
    home: config.ovsDatapathType === "system" ? netlink.home : undefined,
    whenGone: async () => {
      await flows.whenInForce(signal);
      await options.cacheFresh();
    },
    connect,
  });
  return startCniServer({
    runtime,
    netlink,
    ports: switchPorts,
    socketPath: config.cniSocket,
    quarantinePath: join(config.runDir, "address-quarantine.json"),
    files: platform.files,
    listen: platform.listenForCni,
    podNetwork: () => Promise.resolve(podNetwork),
    podReady: openWhenJudged({
      runtime,
      flows,
      pods: options.pods,
      ports,
      findPod: (pod) => client.get(pods, pod),
      onTimeout: config["podReady.onTimeout"],
      signal,
    }),
    knowsPod: ({ namespace, name }) => options.pods.get(`${namespace}/${name}`) !== undefined,
    purgeConnections,
    chained,
    podRouted: (giveUp) => hostNetwork.whenRouted(giveUp),
    ...(chained && !pipeline.answersNeighbourDiscovery ? { routersMac: options.gatewayMac } : {}),
    txChecksumOffload: config.ovsDatapathType === "system" && !config.disableTXChecksumOffload,
    pathPrefix: config.hostProcPathPrefix,
    readiness: { timeout: config["podReady.timeout"], onTimeout: config["podReady.onTimeout"] },
  });
}
