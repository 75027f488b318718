import { serveApi } from "#agent/api/server.ts";
import { parseAgentConfig } from "#agent/config-file.ts";
import type { AgentPlatform } from "#agent/platform.ts";
import { gatewayMac } from "#agent/ovs/bridge.ts";
import { banks, createPipeline } from "#core/pipeline/index.ts";
import type { CniReply, CniRequest } from "#lib/cni/index.ts";
import { type IpAddress, type MacAddress, parseAddress, parsePrefix, type Prefix } from "#lib/ip/index.ts";
import { createKubeClient } from "#lib/kube/index.ts";
import { type Call, createMemoryNetwork, type MemoryNetwork } from "#lib/netlink/index.ts";
import { forgetfulNftables } from "#lib/nftables/index.ts";
import { connectMemoryDatabase, type MemoryClient, type OpenVSwitch, openVSwitch } from "#lib/ovsdb/index.ts";
import { errorMessage, type Files, type Logger, type Random, type Runtime, seconds, seededRandom } from "#lib/runtime/index.ts";
import type { SimCluster } from "../cluster.ts";
import { createDisk, type SimDisk } from "../disk.ts";
import type { Build } from "../builds.ts";
import { findControllers } from "../endpoints.ts";
import { simTransport } from "../http.ts";
import { createProcess, type SimProcess } from "../process.ts";
import { nodeAddresses } from "./addresses.ts";
import { createBridge, type SimBridge } from "./bridge.ts";
import { startKubelet } from "./kubelet.ts";
import { localWay } from "./local-way.ts";

/** A machine of the simulation: Open vSwitch, kernel network and disk outlive the processes on it, agent and kubelet. */
export interface SimNode {
  readonly name: string;
  readonly bridge: SimBridge;
  readonly network: MemoryNetwork;
  readonly disk: SimDisk;
  readonly podCIDRs: readonly Prefix[];
  readonly addresses: readonly IpAddress[];
  readonly gatewayMac: MacAddress;
  /** The agent's process; another one after each start. */
  readonly agent: SimProcess | undefined;
  start(): void;
  killAgent(): void;
  startAgent(): void;
  loseDatabase(): void;
  restoreDatabase(): void;
  /** How far the wall clocks of its processes are off, in milliseconds. */
  skew: number;
  /** Carries a request of antrea-cni to the agent that runs now. */
  askCni(request: CniRequest, from: SimProcess): Promise<CniReply>;
  /** Why the agent ended by itself, most recent last. */
  readonly crashes: readonly string[];
  /** Its agent is of another version, which may want other flows. */
  readonly isOther: boolean;
}

export interface SimNodeOptions {
  readonly cluster: SimCluster;
  readonly index: number;
  readonly random: Random;
}

/** As kubelet waits before a container that ended is started again. */
const restartDelay = seconds(1);

const agentConfig = parseAgentConfig('hostProcPathPrefix: ""', "simulated antrea-agent.conf", {});
const tableCount = Math.max(...banks.flatMap((bank) => createPipeline({ bank }).tables.map(({ number }) => number))) + 2;

/** Where agents keep what they enforce. */
export const snapshotFile = "/var/run/antrea/policies.snapshot";

export const nodeName = (index: number): string => `node-${index + 1}`;

/** What a dead process would still write, as its promises go on, does not reach the disk. */
function filesOf(files: Files, process: SimProcess): Files {
  const unlessDead = async (change: () => Promise<void>): Promise<void> => {
    if (process.state !== "dead") await change();
  };
  return {
    ...files,
    replace: (path, content) => unlessDead(() => files.replace(path, content)),
    rename: (from, to) => unlessDead(() => files.rename(from, to)),
    remove: (path) => unlessDead(() => files.remove(path)),
  };
}

export function createNode({ cluster, index, random }: SimNodeOptions): SimNode {
  const { clock, logger: clusterLogger } = cluster;
  const name = nodeName(index);
  const { podCIDRs, addresses } = nodeAddresses(index);
  const network = createMemoryNetwork();
  const uplink = network.addLink({ name: "eth0", mtu: 1_500 });
  for (const address of addresses)
    network.addAddress({ linkIndex: uplink, address: parseAddress(address), prefixLength: address.includes(":") ? 64 : 12 });
  const disk = createDisk((path, content) => {
    if (path === snapshotFile) cluster.snapshots.written(name, content);
  });
  const bridge = createBridge({ clock, random, tables: tableCount, changing: (when) => cluster.observer.changing(node, when) });
  network.addLink({ name: agentConfig.values.hostGateway, mtu: 1_500 });
  const state: {
    agent: SimProcess | undefined;
    answer: ((request: CniRequest) => Promise<CniReply>) | undefined;
    database: MemoryClient<OpenVSwitch> | undefined;
    databaseLost: boolean;
    isOther: boolean;
  } = { agent: undefined, answer: undefined, database: undefined, databaseLost: false, isOther: false };
  const crashes: string[] = [];
  let starts = 0;

  const runtimeOf = (process: SimProcess, logger: Logger): Runtime => ({
    clock: process.clock,
    random: seededRandom(random.below(2 ** 32)),
    logger,
  });
  const wayOf = (process: SimProcess, user: string) => ({ network: cluster.network, random, host: name, process, user });
  const transportOf = (process: SimProcess, user: string, service: string) =>
    simTransport({ ...wayOf(process, user), to: service, server: () => cluster.serverOf(service) });
  const platformOf = (process: SimProcess, { runtime, build }: { readonly runtime: Runtime; readonly build: Build }): AgentPlatform => {
    const call: Call = async (run) => {
      await Promise.resolve();
      if (process.state === "dead") return new Promise<never>(() => {});
      return run();
    };
    return {
      connectClients(signal) {
        const user = `system:node:${name}`;
        const kubernetes = build.createKubeClient({
          config: { server: "http://kubernetes" },
          parse: cluster.parse,
          transport: transportOf(process, user, "kubernetes"),
        });
        const controllers = findControllers({
          build,
          runtime,
          kubernetes,
          signal,
          connect(address) {
            const { host, server } = cluster.at(address);
            return build.createKubeClient({
              config: { server: `http://${address}` },
              parse: cluster.parse,
              transport: simTransport({ ...wayOf(process, user), to: host, server }),
            });
          },
        });
        return { kubernetes, controllers, close: () => controllers.close() };
      },
      files: filesOf(disk.files, process),
      async connectDatabase() {
        const client = connectMemoryDatabase({
          database: openVSwitch,
          memory: bridge.database,
          way: {
            send: (run) => void clock.after(localWay, run),
            receive: (run) => void clock.after(localWay, () => process.enter(run)),
          },
        });
        state.database = client;
        if (state.databaseLost) client.lose();
        process.onDeath(() => client.close());
        return client;
      },
      connectBridge: () => bridge.connect(process),
      control: () => Promise.resolve("(Open vSwitch) simulated"),
      createNetlink: () => network.connect({ call }),
      createNftables: forgetfulNftables,
      async serveApi(serving) {
        if (cluster.listening === undefined) return { certificate: "", port: serving.port };
        const api = await serveApi({ ...serving, port: 0 });
        cluster.listening({ host: name, process, port: api.port });
        return api;
      },
      async listenForCni({ answer }) {
        state.answer = answer;
        return {
          async close() {
            if (state.answer === answer) state.answer = undefined;
            await Promise.resolve();
          },
        };
      },
    };
  };
  const startAgent = (): void => {
    if (state.agent !== undefined && state.agent.state !== "dead") return;
    const process = createProcess({ clock, name: `${name} agent`, all: cluster.processes, skew: () => node.skew });
    state.agent = process;
    const runtime = runtimeOf(process, clusterLogger.with({ process: process.name }));
    const build = cluster.builds(index, starts++);
    state.isOther = build.isOther === true;
    build
      .runAgent({
        runtime,
        config: agentConfig.values,
        gates: agentConfig.gates,
        platform: cluster.mutants.platform(platformOf(process, { runtime, build })),
        nodeName: name,
        environment: { NODE_NAME: name },
        signal: process.signal,
      })
      .catch((error: unknown) => {
        if (process.state === "dead") return;
        crashes.push(errorMessage(error));
        process.kill();
        clock.after(restartDelay, startAgent);
      });
  };
  const node: SimNode = {
    name,
    bridge,
    network,
    disk,
    podCIDRs: podCIDRs.map(parsePrefix),
    addresses: addresses.map(parseAddress),
    gatewayMac: gatewayMac(name),
    get agent() {
      return state.agent;
    },
    get isOther() {
      return state.isOther;
    },
    skew: 0,
    crashes,
    start() {
      startAgent();
      const kubelet = createProcess({ clock, name: `${name} kubelet`, all: cluster.processes, skew: () => node.skew });
      startKubelet({
        runtime: runtimeOf(kubelet, clusterLogger.with({ process: kubelet.name })),
        client: createKubeClient({
          config: { server: "http://kubernetes" },
          parse: cluster.parse,
          transport: transportOf(kubelet, `system:node:${name}`, "kubernetes"),
        }),
        node,
        process: kubelet,
      });
    },
    killAgent() {
      state.answer = undefined;
      state.agent?.kill();
    },
    startAgent,
    loseDatabase() {
      state.databaseLost = true;
      state.database?.lose();
    },
    restoreDatabase() {
      state.databaseLost = false;
      state.database?.restore();
    },
    askCni: (request, from) =>
      new Promise((resolve, reject) => {
        const back = (settle: () => void): void => void clock.after(localWay, () => from.enter(settle));
        clock.after(localWay, () => {
          const { agent, answer } = state;
          if (agent === undefined || agent.state === "dead" || answer === undefined)
            return back(() => reject(new Error("connect ECONNREFUSED")));
          const stop = agent.onDeath(() => back(() => reject(new Error("read ECONNRESET"))));
          agent.enter(() => {
            answer(request).then(
              (reply) => {
                stop();
                back(() => resolve(reply));
              },
              (error: unknown) => back(() => reject(error)),
            );
          });
        });
      }),
  };
  return node;
}
