import { tlsLimits } from "#lib/apiserver/tls-limits.ts";
import { getServers } from "node:dns";
import { join } from "node:path";
import type { FeatureGate } from "#core/api/feature-gates.ts";
import { banks, createPipeline, enabledFeatures, entryTable } from "#core/pipeline/index.ts";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { createLoopbackToken, keepPublished, version } from "#lib/daemon/index.ts";
import { endpointSlices, leanPod, nodes, pods, reflect, services } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, whenAborted } from "#lib/runtime/index.ts";
import { agentInfo } from "./api/agent-info.ts";
import { clusterJudge } from "./api/cluster-judge.ts";
import { probeRoutes } from "./api/routes.ts";
import { runningAgent } from "./api/running-agent.ts";
import type { Route } from "./api/server.ts";
import { closeDeleted } from "./close-deleted.ts";
import { gatewayAddress } from "./cni/index.ts";
import { type Closings, createClosings } from "./closings.ts";
import type { AgentConfig } from "./config.ts";
import { createDriftLog } from "./drift.ts";
import { createFlowPipeline, reachable } from "./flows/index.ts";
import {
  createFqdnRules,
  createListenerPort,
  followClusterDns,
  listenerName,
  serviceAddresses,
  trackedDestinations,
} from "./fqdn/index.ts";
import { hearPackets } from "./hear-packets.ts";
import { createAgentMetrics } from "./metrics.ts";
import { keepHostNetwork } from "./host-network/index.ts";
import { keepNodeAnnotations } from "./nodes/annotate.ts";
import { followRemoteNodes, whenThisNode } from "./nodes/nodes.ts";
import { podMtu } from "./nodes/mtu.ts";
import { reportAgentInfo } from "./nodes/report-agent-info.ts";
import { findTransport } from "./nodes/transport.ts";
import { whenThisNodeChanges } from "./nodes/this-node-changes.ts";
import { keepTunnelNeighbours } from "./nodes/tunnel-neighbours.ts";
import { waysOf } from "./nodes/ways.ts";
import { followedColumns, gatewayMac, gatewayOfport, tunnelOfport, wantedBridge } from "./ovs/bridge.ts";
import { keepCacheFresh } from "./ovs/fresh-cache.ts";
import { flowsPresent } from "./ovs/flows-present.ts";
import { forgetRounds, keepBridge, keepForwarding } from "./ovs/keep.ts";
import { followLocalPorts } from "./ovs/local-ports.ts";
import { createPortClaims } from "./ovs/port-claims.ts";
import { revalidated } from "./ovs/revalidate.ts";
import { findBank } from "./ovs/find-bank.ts";
import { metersToUse } from "./ovs/meters.ts";
import { tracksSctpPorts } from "./ovs/sctp-tracking.ts";
import { setUpBridge } from "./ovs/set-up.ts";
import type { AgentPlatform } from "./platform.ts";
import { findSnapshot } from "./policies/index.ts";
import { servePods } from "./serve-pods.ts";
import { answerUnserved, connectionTracker, followServices, forgetStaleConnections, sliceIndexes } from "./services/index.ts";
import { keepStatistics, reportStatistics } from "./statistics/index.ts";

export interface AgentOptions {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  readonly gates: readonly FeatureGate[];
  readonly platform: AgentPlatform;
  readonly nodeName: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** The whole agent: what isn't here doesn't happen. Resolves when `signal` aborted and everything is closed; rejects when it cannot start. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const closings = createClosings();
  // Whatever its start waits for may never come: the end does not wait for it.
  const living = live(options, closings).catch((error: unknown) => options.signal.aborted || Promise.reject(error));
  await Promise.race([whenAborted(options.signal), living]);
  await closings.close();
}

async function live(options: AgentOptions, closings: Closings): Promise<void> {
  const { runtime, config, gates, platform, nodeName, environment, signal } = options;
  const { logger } = runtime;
  logger.info("starting", { version, node: nodeName, bridge: config.ovsBridge, datapath: config.ovsDatapathType });
  const clients = platform.connectClients(signal);
  closings.connection(() => clients.close());
  const { kubernetes, controllers } = clients;

  // The API answers from the first moment: that we are alive, and what we wait for.
  const waitingFor = new Set(["Open vSwitch", "Node", "bridge", "host network", "CNI server", "policies in force"]);
  const routes: { current: Readonly<Record<string, Route>> } = { current: probeRoutes({ ready: () => [...waitingFor], alive: () => [] }) };
  const token = createLoopbackToken({ runDir: config.runDir, random: runtime.random, files: platform.files });
  await token.withdraw();
  closings.work(() => token.withdraw());
  const api = await platform.serveApi({
    runtime,
    port: config.apiPort,
    limits: tlsLimits({ minVersion: config.tlsMinVersion, cipherSuites: config.tlsCipherSuites }),
    hosts: [nodeName],
    token,
    judge: clusterJudge({ client: kubernetes, clock: runtime.clock }),
    routes: () => routes.current,
    signal,
  });

  // Sources: the cluster, and the switch's database.
  const nodeTable = reflect({ runtime, client: kubernetes, resource: nodes, manyAlike: true, signal });
  const podTable = reflect({
    runtime,
    client: kubernetes,
    resource: pods,
    fieldSelector: `spec.nodeName=${nodeName}`,
    transform: leanPod,
    signal,
  });
  const ovsdb = await platform.connectDatabase(signal);
  closings.connection(() => ovsdb.close());
  const replica = ovsdb.monitor(followedColumns);
  waitingFor.delete("Open vSwitch");
  // With networkPolicyOnly, pods' addresses and routes are the business of the plugin before ours.
  const chained = config.trafficEncapMode === "networkPolicyOnly";
  const known = await whenThisNode(nodeTable, nodeName, signal, { podCidrsNeeded: !chained });
  const node = chained ? { ...known, podCIDRs: [] } : known;
  waitingFor.delete("Node");

  // The bridge with its own ports, repaired whenever the database differs.
  const netlinkLost = Promise.withResolvers<never>();
  netlinkLost.promise.catch((error: unknown) => {
    logger.error("the netlink thread ended: the agent ends too, to be started anew", { error: errorMessage(error) });
  });
  const netlink = platform.createNetlink(netlinkLost.reject);
  closings.connection(() => netlink.close());
  const [links, addresses] = await Promise.all([netlink.home.links(), netlink.home.addresses()]);
  const transport = findTransport(config, node.addresses, { links, addresses });
  const nodeChanges = whenThisNodeChanges({ runtime, nodes: nodeTable, known: node, home: netlink.home, config, transport, signal });
  nodeChanges.catch(() => {});
  const ways = waysOf(config, transport);
  const mtu = podMtu(config, transport);
  const isOn = (gate: string): boolean => gates.some(({ name, enabled }) => name === gate && enabled);
  const proxies = config["antreaProxy.enable"] && isOn("AntreaProxy");
  const tables = {
    features: enabledFeatures.filter(
      (feature) => (feature !== "service" || proxies) && (feature !== "statistics" || isOn("NetworkPolicyStats")),
    ),
    datapath: config.ovsDatapathType,
  };
  const listener =
    config["fqdn.whenAgentIsDown"] === "pass"
      ? await createListenerPort({ runtime, home: netlink.home, tables: replica.tables })
      : undefined;
  const dnsListener = listener === undefined ? undefined : listenerName;
  const bridge = wantedBridge({ config, nodeName, pipelines: banks.map((bank) => createPipeline({ ...tables, bank })), mtu, dnsListener });
  const ofports = await setUpBridge({ client: ovsdb, replica, wanted: bridge, signal });
  const connectBridge = (giveUp: AbortSignal) => platform.connectBridge(bridge.name, giveUp);
  const tracksSctp = await tracksSctpPorts({ connect: connectBridge, control: platform.control, logger, signal });
  const meters = await metersToUse(compilePacketInMeters(config.packetInRate), { connect: connectBridge, logger, signal });
  const snapshotFile = join(config.runDir, "policies.snapshot");
  const found = await findSnapshot(snapshotFile, platform.files);
  const { bank, moves } = await findBank({ connect: connectBridge, runtime, remembers: found.snapshot !== undefined, signal });
  if (moves)
    logger.info(
      "the switch has flows of others, or of another layout, or with numbers that nobody remembers: new ones are made beside them, and take their place at once",
      {
        bank,
      },
    );
  const pipeline = createPipeline({ ...tables, tracksSctp, bank });
  // What others change in our targets is told here when it is put right.
  const drift = createDriftLog(logger);
  keepBridge({ runtime, client: ovsdb, replica, wanted: bridge, drift, signal });
  waitingFor.delete("bridge");
  logger.info("bridge is set up", { ports: Object.fromEntries(ofports), transport: transport.interfaceName, podMtu: mtu });

  // Tables: the pods here, the nodes elsewhere, and the Services that pods reach.
  const claims = createPortClaims(replica);
  const ports = followLocalPorts({ replica, bridge: bridge.name, claims, logger });
  const remoteNodes = followRemoteNodes({ nodes: nodeTable, self: nodeName, ways });
  // Without the proxy they still say who serves DNS.
  const clusterServices = {
    services: reflect({ runtime, client: kubernetes, resource: services, signal }),
    slices: reflect({ runtime, client: kubernetes, resource: endpointSlices, indexes: sliceIndexes, signal }),
  };
  const served = proxies
    ? followServices({
        runtime,
        ...clusterServices,
        node: nodeName,
        proxyName: config["antreaProxy.serviceProxyName"],
        skip: config["antreaProxy.skipServices"],
      })
    : undefined;

  // Tables and the controller's policies → flows → the switch.
  const mac = gatewayMac(nodeName);
  const metrics = createAgentMetrics();
  const gateway = {
    ofport: ofports.get(bridge.gateway) ?? gatewayOfport,
    mac,
    addresses: chained ? transport.addresses : node.podCIDRs.map(gatewayAddress),
    answersAll: chained,
  };
  const tunnel = bridge.tunnel === undefined ? {} : { tunnel: { ofport: ofports.get(bridge.tunnel) ?? tunnelOfport } };
  const clusterDns = followClusterDns({
    override: config.dnsServerOverride,
    ...clusterServices,
    podBlocks: () => [...node.podCIDRs, ...[...remoteNodes.rows()].flatMap(({ podCIDRs }) => podCIDRs)],
    systemServers: getServers,
  });
  const fqdn = await createFqdnRules({
    runtime,
    pipeline,
    connect: connectBridge,
    ports,
    ...clusterDns,
    connections: trackedDestinations({
      control: platform.control,
      ...(config.ovsDatapathType === "system" ? { home: netlink.home } : {}),
    }),
    serviceAt: served === undefined ? undefined : serviceAddresses(served),
    minTtl: seconds(config.fqdnCacheMinTTL),
    whenAgentIsDown: config["fqdn.whenAgentIsDown"],
    listener,
    metered: meters.length > 0,
    snapshotFile: join(config.runDir, "fqdn.snapshot"),
    files: platform.files,
    signal,
  });
  closings.work(() => fqdn.close());
  const statistics = pipeline.has("statistics")
    ? await keepStatistics({
        runtime,
        pipeline,
        connect: connectBridge,
        file: join(config.runDir, "statistics.state"),
        files: platform.files,
        signal,
      })
    : undefined;
  if (statistics !== undefined) closings.work(() => statistics.close());
  const cache = { fresh: () => revalidated(platform.control) };
  const purge = async (): Promise<void> => void (await platform.control("revalidator/purge"));
  const whenEntered = async (): Promise<void> => {
    // In user space what is cached of the old flows and of the new ones may be mixed up: seen to lose new connections until the purge of 50 ms later.
    if (config.ovsDatapathType === "netdev") await purge();
    await cache.fresh();
  };
  const listed: { ours: boolean | undefined; tell: () => void } = { ours: undefined, tell: () => {} };
  const flows = await createFlowPipeline({
    runtime,
    pipeline,
    connect: connectBridge,
    gateway,
    ...(chained ? { families: [4, 6] as const } : {}),
    ...tunnel,
    ports,
    remoteNodes,
    ...(served === undefined ? {} : { services: served }),
    controllers,
    node: nodeName,
    pods: podTable,
    snapshotFile,
    found,
    fqdn,
    cacheFresh: () => cache.fresh(),
    ...(moves ? { entersBy: entryTable, whenEntered } : {}),
    meters,
    files: platform.files,
    drift,
    onChanges: metrics.onFlowOperations,
    ...(statistics === undefined ? {} : { statistics }),
    onListed({ ours }) {
      listed.ours = ours;
      listed.tell();
    },
    signal,
  });
  closings.work(() => flows.close());
  if (config.ovsDatapathType === "netdev")
    cache.fresh = keepCacheFresh({
      runtime,
      onInForce: flows.onInForce,
      purge,
      signal,
    }).whenFresh;
  closeDeleted({ pods: podTable, ports, flows, logger });
  // Packets that the switch hands over: those that rules reject get their answers, those that rules log are lines of the audit log.
  const heard = hearPackets({
    runtime,
    config,
    pipeline,
    connect: connectBridge,
    ports,
    gateway,
    ...tunnel,
    flows,
    client: kubernetes,
    node: nodeName,
    pods: podTable,
    signal,
  });
  closings.work(() => heard.close());
  // What policies let through and deny is told to every controller, to one of antrea (Go) as it takes it.
  if (statistics !== undefined)
    reportStatistics({
      runtime,
      statistics,
      clients: () => reachable(controllers),
      onClientsChange(listener) {
        controllers.onChange(listener);
        listed.tell = listener;
      },
      takesSums: () => listed.ours === true,
      takesDifferences() {
        if (listed.ours !== false) return undefined;
        return controllers.known().find(({ name }) => name === flows.policies.controller())?.client;
      },
      node: nodeName,
      known: () => new Set(flows.policies.networkPolicies().map(({ uid }) => uid)),
      signal,
    });
  // Services, beside their flows: clients that nobody serves, and UDP connections to endpoints that are gone.
  if (served !== undefined) {
    answerUnserved({ runtime, connect: connectBridge, signal });
    const home = config.ovsDatapathType === "system" ? { home: netlink.home } : {};
    const tracker = connectionTracker({ control: platform.control, ...home });
    if (isOn("CleanupStaleUDPSvcConntrack"))
      forgetStaleConnections({ runtime, services: served, whenInForce: () => flows.whenInForce(signal), tracker });
  }
  keepForwarding({
    runtime,
    client: ovsdb,
    replica,
    pipelineInForce: async (giveUp) => {
      await flows.whenInSync(giveUp);
      const desired = (): number => flows.status().desired - flows.status().refused.length;
      await flowsPresent({ runtime, connect: connectBridge, desired, signal: giveUp });
    },
    signal,
  });

  forgetRounds({ runtime, client: ovsdb, replica, bridge: bridge.name, pipelineInForce: flows.whenInSync, signal });

  // Tables → the node's own network: gateway, routes, nftables, settings; and what the cluster is told of this node.
  const hostNetwork = await keepHostNetwork({
    runtime,
    netlink,
    nftables: platform.createNftables(netlink),
    gateway: bridge.gateway,
    mtu,
    datapath: config.ovsDatapathType,
    podCIDRs: node.podCIDRs,
    ...(chained ? { nodeAddresses: transport.addresses, localPods: ports } : {}),
    remoteNodes,
    transportInterface: transport.interfaceName,
    masquerade: !config.noSNAT && !chained,
    fullyRandomPorts: config.snatFullyRandomPorts,
    drift,
    signal,
  });
  if (config.ovsDatapathType === "netdev" && bridge.tunnel !== undefined)
    keepTunnelNeighbours({ runtime, home: netlink.home, transportInterface: transport.interfaceName, remoteNodes, signal });
  keepNodeAnnotations({ runtime, client: kubernetes, table: nodeTable, node: nodeName, gatewayMac: mac, transport, signal });
  await Promise.race([hostNetwork.whenReady(), netlinkLost.promise]);
  waitingFor.delete("host network");

  signal.throwIfAborted();
  // Pods: requests of antrea-cni → ports in the database, from where the tables above have them.
  const cni = await servePods({
    runtime,
    config,
    platform,
    client: kubernetes,
    netlink,
    ovsdb,
    replica,
    claims,
    bridge: bridge.name,
    connect: connectBridge,
    pipeline,
    flows,
    cacheFresh: () => cache.fresh(),
    hostNetwork,
    pods: podTable,
    ports,
    podNetwork: { podCIDRs: node.podCIDRs, mtu },
    chained,
    gatewayMac: mac,
    drift,
    signal,
  });
  closings.work(() => cni.close());
  waitingFor.delete("CNI server");

  signal.throwIfAborted();
  // The API tells all there is; the token's file is the sign that pods can be connected.
  const running = runningAgent({
    runtime,
    config,
    gates,
    environment,
    node,
    bridge: bridge.name,
    apiPort: api.port,
    transport,
    podMtu: mtu,
    control: platform.control,
    connect: connectBridge,
    pipeline,
    ports,
    flows,
    fqdn,
    heard,
    hostNetwork,
    ovsdb,
    drift,
    metrics,
    waitingFor,
  });
  routes.current = running.routes;
  await keepPublished({ runtime, token, authority: api.certificate, signal });
  reportAgentInfo({
    runtime,
    client: kubernetes,
    node: nodeName,
    describe: async () => ({ ...(await agentInfo(running.view)), apiCABundle: Buffer.from(api.certificate).toString("base64") }),
    signal,
  });
  logger.info("serving", { apiPort: api.port, cniSocket: config.cniSocket });
  flows.whenInSync(signal).then(
    () => {
      waitingFor.delete("policies in force");
      logger.info("policies are in force", { flows: flows.status().desired });
    },
    () => {},
  );

  await Promise.race([netlinkLost.promise, nodeChanges]);
}
