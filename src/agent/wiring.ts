import { createPipeline } from "#core/pipeline/index.ts";
import { nodes, reflect } from "#lib/kube/index.ts";
import { createNetlink } from "#lib/netlink/index.ts";
import { connectOvsdb, openVSwitch } from "#lib/ovsdb/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import { askCluster } from "./api/delegated.ts";
import { probeRoutes } from "./api/routes.ts";
import { type Route, serveApi } from "./api/server.ts";
import { createLoopbackToken, withdrawLoopbackToken } from "./api/token.ts";
import { connectKubernetes } from "./clients.ts";
import type { AgentConfig } from "./config.ts";
import { resolveFeatureGates } from "./feature-gates.ts";
import { keepNodeAnnotations } from "./nodes/annotate.ts";
import { whenThisNode } from "./nodes/nodes.ts";
import { findTransport, podMtu } from "./nodes/transport.ts";
import { followedColumns, gatewayMac, wantedBridge } from "./ovs/bridge.ts";
import { keepBridge } from "./ovs/keep.ts";
import { setUpBridge } from "./ovs/set-up.ts";
import { version } from "./version.ts";

export interface AgentOptions {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  /** Names the configuration in errors and notices. */
  readonly configFile: string;
  readonly nodeName: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** The whole agent. Resolves when `signal` aborted and everything is closed; rejects when it cannot start. */
export async function runAgent({ runtime, config, configFile, nodeName, environment, signal }: AgentOptions): Promise<void> {
  const { logger } = runtime;
  const { notices } = resolveFeatureGates(config.featureGates, configFile);
  for (const notice of notices) logger.warn(notice);
  logger.info("starting", { version, node: nodeName, bridge: config.ovsBridge, datapath: config.ovsDatapathType });

  const kubernetes = connectKubernetes({ config, configFile, environment });

  // the API answers from the first moment: alive, and what it still waits for
  const waitingFor = new Set(["Open vSwitch", "Node", "bridge"]);
  const routes: { current: Readonly<Record<string, Route>> } = { current: probeRoutes(() => [...waitingFor]) };
  await withdrawLoopbackToken(config.runDir);
  const token = createLoopbackToken({ runDir: config.runDir, random: runtime.random });
  const api = await serveApi({
    runtime,
    port: config.apiPort,
    tlsMinVersion: config.tlsMinVersion,
    hosts: [nodeName],
    token,
    judge: (question) => askCluster(kubernetes, question),
    routes: () => routes.current,
    signal,
  });

  // sources: the cluster, and the switch's database
  const nodeTable = reflect({ runtime, client: kubernetes, resource: nodes, signal });
  const ovsdb = await connectOvsdb({ runtime, path: `${config.ovsRunDir}/db.sock`, database: openVSwitch, signal });
  const replica = ovsdb.monitor(followedColumns);
  waitingFor.delete("Open vSwitch");

  const node = await whenThisNode(nodeTable, nodeName, signal);
  waitingFor.delete("Node");

  // this node's own network
  const netlink = createNetlink({ runtime });
  const [links, addresses] = await Promise.all([netlink.home.links(), netlink.home.addresses()]);
  const transport = findTransport(config, node.addresses, { links, addresses });
  const mtu = podMtu(config, transport);
  const pipeline = createPipeline();
  const wanted = wantedBridge({ config, nodeName, pipeline, mtu });
  const numbers = await setUpBridge({ client: ovsdb, replica, wanted, signal });
  keepBridge({ runtime, client: ovsdb, replica, wanted, signal });
  waitingFor.delete("bridge");
  logger.info("bridge is set up", { ports: Object.fromEntries(numbers), transport: transport.interfaceName, podMtu: mtu });

  keepNodeAnnotations({
    runtime,
    client: kubernetes,
    table: nodeTable,
    node: nodeName,
    gatewayMac: gatewayMac(nodeName),
    transport,
    signal,
  });

  await token.publish(api.certificate);
  logger.info("ready", { apiPort: api.port });
  await aborted(signal);
  ovsdb.close();
  kubernetes.close();
  await netlink.close();
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
