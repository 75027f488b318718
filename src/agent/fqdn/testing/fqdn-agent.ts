import { join } from "node:path";
import { encodeGroup, encodeNetworkPolicy, type NetworkPolicy, nothing, type PolicyRule } from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { hostPrefix, parseAddress } from "#lib/ip/index.ts";
import { connectOpenFlow, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import { type Duration, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { createFlowPipeline, type FlowPipeline } from "../../flows/index.ts";
import type { PacketNode } from "../../flows/testing/packet-node.ts";
import { oneController } from "../../controllers/replicas.ts";
import { createFakeController } from "../../policies/testing/fake-controller.ts";
import { createFqdnRules, type FqdnRules, type ListenerPort } from "../index.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const pipeline = createPipeline();
export const holdTable = `table=${pipeline.table("DNSHold")}`;

/** The part of an agent that serves rules with names, on a real switch. */
export interface FqdnAgent {
  readonly flows: FlowPipeline;
  readonly fqdn: FqdnRules;
  /** Ends it in order. */
  end(): Promise<void>;
  /** Ends it as a kill would: its connections go, nothing is taken back. */
  kill(): void;
}

/** What the agent needs of its node. */
export interface AgentNode {
  readonly ovs: Pick<PacketNode["ovs"], "directory" | "management" | "ofctl">;
  readonly gateway: PacketNode["gateway"];
  readonly pods: readonly { readonly port: LocalPort }[];
}

/** Pods named in `subjects` may reach `open` addresses and whatever the names stand for, and nothing else. Resolves when that is in force. */
export async function startFqdnAgent(options: {
  readonly node: AgentNode;
  readonly listener?: ListenerPort | undefined;
  readonly subjects: readonly string[];
  readonly open: readonly string[];
  readonly names: readonly string[];
  /** Names that a policy of a tier drops, before the others are looked at. Default none. */
  readonly dropped?: readonly string[];
  /** Packets a second that the meter lets through (`packetInRate`). */
  readonly rate?: number;
  /** `fqdnCacheMinTTL`. Default 0. */
  readonly minTtl?: Duration | undefined;
  /** How long answers may wait. Default the product's limit, which a busy machine may need to the full. */
  readonly holdFor?: Duration;
  /** Seconds without word of the agent after which answers pass. Default the product's. */
  readonly lapseSeconds?: number;
}): Promise<FqdnAgent> {
  const { node, listener, subjects, open, names, dropped = [], rate = 5_000, minTtl = 0, holdFor, lapseSeconds } = options;
  const stop = new AbortController();
  const controller = createFakeController();
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  for (const { port } of node.pods) ports.upsert(port);
  for (const table of [ports, remoteNodes]) table.initializer("test")();
  const connections = new Set<OpenFlowConnection>();
  let dead = false;
  const connect = async (signal: AbortSignal): Promise<OpenFlowConnection> => {
    if (dead) return new Promise(() => {});
    const connection = await connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal });
    connections.add(connection);
    return connection;
  };
  const fqdn = await createFqdnRules({
    runtime,
    pipeline,
    connect,
    ports,
    servers: () => [],
    minTtl,
    ...(holdFor === undefined ? {} : { holdFor }),
    ...(lapseSeconds === undefined ? {} : { lapseSeconds }),
    whenAgentIsDown: "pass",
    listener,
    metered: rate > 0,
    snapshotFile: join(node.ovs.directory, "fqdn.snapshot"),
    signal: stop.signal,
  });
  const flows = await createFlowPipeline({
    runtime,
    pipeline,
    connect,
    gateway: node.gateway,
    ports,
    remoteNodes,
    controllers: oneController(controller.client),
    node: "n1",
    snapshotFile: join(node.ovs.directory, "policies.snapshot"),
    meters: compilePacketInMeters(rate),
    fqdn,
    signal: stop.signal,
  });
  const members = subjects.map((name) => ({ pod: { namespace: "shop", name }, ips: [], ports: [] }));
  const resources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;
  while (resources.some((resource) => controller.opened(resource) === 0)) await new Promise(setImmediate);
  controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", { name: "subjects", uid: "subjects", members }));
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policyOf(open, names)));
  if (dropped.length > 0) controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(tierPolicy(dropped)));
  for (const resource of resources) controller.bookmark(resource);
  await flows.whenInSync();
  while (!fqdn.figures().packets.connected) await new Promise(setImmediate);
  // The flow that holds answers follows the policies.
  while (!(await node.ovs.ofctl("dump-flows", "br0", holdTable)).includes("pause")) await new Promise(setImmediate);
  return {
    flows,
    fqdn,
    async end() {
      stop.abort();
      await fqdn.close();
    },
    kill() {
      dead = true;
      for (const connection of connections) connection.close();
    },
  };
}

const allow: Omit<PolicyRule, "peer"> = {
  direction: "Out",
  services: [],
  priority: -1,
  action: "Allow",
  enableLogging: false,
  appliedToGroups: [],
  l7Protocols: [],
};

function tierPolicy(names: readonly string[]): NetworkPolicy {
  return {
    name: "dropped",
    uid: "dropped",
    generation: 1,
    sourceRef: { type: "AntreaClusterNetworkPolicy", name: "dropped", uid: "dropped" },
    appliedToGroups: ["subjects"],
    tierPriority: 250,
    priority: 5,
    rules: [{ ...allow, action: "Drop", priority: 0, name: "drop-names", peer: { ...nothing, fqdns: names } }],
  };
}

function policyOf(open: readonly string[], names: readonly string[]): NetworkPolicy {
  const ipBlocks = open.map((address) => ({ cidr: hostPrefix(parseAddress(address)), except: [] }));
  return {
    name: "names",
    uid: "names",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "names", uid: "names" },
    appliedToGroups: ["subjects"],
    rules: [
      { ...allow, peer: { ...nothing, ipBlocks } },
      { ...allow, peer: { ...nothing, fqdns: names } },
    ],
  };
}
