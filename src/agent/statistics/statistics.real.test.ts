import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ControlplaneResource, encodeGroup, encodeNetworkPolicy, type NetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import type { Counters } from "#core/statistics/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { createTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFlowPipeline, type FlowPipeline } from "../flows/index.ts";
import { createPacketNode, type PacketNode, type PacketPod } from "../flows/testing/packet-node.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { policy, rule } from "../testing/policies.ts";
import { keepStatistics, type NodeStatistics } from "./index.ts";

// One switch, and pods that ping each other: the request of a ping is new, all that follows with its number belongs to one connection. `web` lets in, `db` drops,
// `kube` is under a Kubernetes policy; `client` pings and may do so by a policy of its own.
const runtime = { ...systemRuntime(), logger: silentLogger };
const pipeline = createPipeline();
const limit = { timeout: patience(240_000) };
const resources: readonly ControlplaneResource[] = ["networkpolicies", "addressgroups", "appliedtogroups"];
let node: PacketNode;
let agent: { flows: FlowPipeline; statistics: NodeStatistics; controller: ReturnType<typeof createFakeController>; stop: AbortController };

const everybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
const ping = [{ protocol: "ICMP" as const }];
const antrea = (name: string, appliedTo: string, parts: Parameters<typeof rule>[0], priority = 5): NetworkPolicy =>
  policy(name, {
    sourceRef: { type: "AntreaNetworkPolicy", namespace: "shop", name, uid: name },
    appliedToGroups: [appliedTo],
    tierPriority: 250,
    priority,
    rules: [rule({ peer: everybody, services: ping, priority: 0, ...parts })],
  });
const letIn = (priority?: number): NetworkPolicy => antrea("let-in", "web", { name: "pings" }, priority);
const keepOut = antrea("keep-out", "db", { name: "no-pings", action: "Drop" });
const passOn = antrea("pass", "kube", { name: "on", action: "Pass" });
const goOut = antrea("go-out", "client", { name: "out", direction: "Out" });
const kubernetes = policy("kubernetes", { appliedToGroups: ["kube"], rules: [rule({ peer: everybody, services: ping })] });

/** An agent's flows and statistics, on the files that the one before left. */
async function startAgent(): Promise<typeof agent> {
  const stop = new AbortController();
  const { signal } = stop;
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  for (const { port } of node.pods) ports.upsert(port);
  for (const table of [ports, remoteNodes]) table.initializer("test")();
  const connect = (giveUp: AbortSignal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal: giveUp });
  const controller = createFakeController();
  const statistics = await keepStatistics({ runtime, pipeline, connect, file: join(node.ovs.directory, "statistics.state"), signal });
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
    statistics,
    signal,
  });
  while (resources.some((resource) => controller.opened(resource) === 0)) await new Promise(setImmediate);
  for (const { port } of node.pods) {
    const members = [{ pod: { namespace: "shop", name: port.podName }, ips: [], ports: [] }];
    controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", { name: port.podName, uid: port.podName, members }));
  }
  for (const each of [letIn(), keepOut, passOn, goOut, kubernetes]) controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(each));
  for (const resource of resources) controller.bookmark(resource);
  await flows.whenInSync();
  return { flows, statistics, controller, stop };
}

before(async () => {
  node = await createPacketNode("stats", ["web", "db", "kube", "client"], { subnet: 1 });
  agent = await startAgent();
}, limit);
after(async () => {
  agent?.stop.abort();
  await agent?.statistics.close();
  await node?.remove();
});

const podNamed = (name: string): PacketPod => {
  const found = node.pods.find(({ port }) => port.podName === name);
  assert.ok(found);
  return found;
};
/** Answers of everybody but `db` come, however late. */
const pings = (to: "web" | "db" | "kube", family: 4 | 6, count: number): Promise<boolean> => {
  const seconds = to === "db" ? 1 : amplePatience / 1_000;
  return podNamed("client").succeeds("busybox", "ping", `-${family}`, "-c", `${count}`, "-W", `${seconds}`, podNamed(to).addresses[family]);
};

const told = (uid: string): Counters | undefined => agent.statistics.policies().find(({ policy: { uid: of } }) => of === uid)?.total;
/** Sessions and packets of the policies, once these are they: the switch tells half a second late what its datapath counted. */
async function counted(expected: Readonly<Record<string, readonly [sessions: number, packets: number]>>): Promise<void> {
  const seen = (): object =>
    Object.fromEntries(Object.keys(expected).map((uid) => [uid, [told(uid)?.sessions ?? 0, told(uid)?.packets ?? 0]]));
  const giveUp = AbortSignal.timeout(amplePatience);
  while (JSON.stringify(seen()) !== JSON.stringify(expected) && !giveUp.aborted) await agent.statistics.readNow();
  assert.deepEqual(seen(), expected);
}

test(
  "rules count the connections that they admit and all their packets, the packets that they deny, and nothing where they pass on",
  limit,
  async () => {
    for (const family of [4, 6] as const) {
      assert.equal(await pings("web", family, 3), true);
      assert.equal(await pings("kube", family, 2), true);
      assert.equal(await pings("db", family, 2), false);
    }
    await counted({ "let-in": [2, 12], kubernetes: [2, 8], "keep-out": [4, 4], "go-out": [8, 24], pass: [0, 0] });
    assert.equal(told("let-in")?.bytes, 12 * 98 + 6 * (118 - 98));
    const rules = agent.statistics.policies().find(({ policy: { uid } }) => uid === "keep-out")?.rules;
    assert.deepEqual([...(rules?.keys() ?? [])], ["no-pings"]);
  },
);

test("what a rule's flow counted stays when the rule gets another place, and so another flow", limit, async () => {
  assert.equal(await pings("web", 4, 1), true);
  // What the datapath counted reaches its flows with the revalidator; half a second of it may go with a flow.
  await node.ovs.appctl("revalidator/wait");
  agent.controller.send("networkpolicies", "MODIFIED", encodeNetworkPolicy(letIn(7)));
  await agent.flows.whenInForce();
  // An entry of the flow cache that only changes learns with the next revalidation: see the limits in docs/design/statistics.md.
  await node.ovs.appctl("revalidator/purge");
  assert.equal(await pings("web", 4, 1), true);
  await counted({ "let-in": [4, 16], "keep-out": [4, 4], "go-out": [10, 28] });
});

test("another agent goes on where the one before ended, whenever that was, and counts what passed in between", limit, async () => {
  await agent.statistics.close();
  agent.stop.abort();
  assert.equal(await pings("web", 6, 2), true);
  assert.equal(await pings("db", 4, 1), false);
  agent = await startAgent();
  await counted({ "let-in": [5, 20], kubernetes: [2, 8], "keep-out": [5, 5], "go-out": [12, 33] });
});

test("a switch that lost its flows begins at zero, the sums do not", limit, async () => {
  await counted({ "let-in": [5, 20], "keep-out": [5, 5] });
  agent.stop.abort();
  await agent.statistics.close();
  await node.ovs.ofctl("del-flows", "br0");
  agent = await startAgent();
  assert.equal(await pings("web", 4, 1), true);
  await counted({ "let-in": [6, 22], "keep-out": [5, 5] });
});

test(
  "an agent that is killed right after it began to count leaves what the next one goes on with: the switch is not changed",
  limit,
  async () => {
    agent.stop.abort();
    await agent.statistics.close();
    await node.ovs.ofctl("del-flows", "br0");
    agent = await startAgent();
    await agent.statistics.readNow();
    const marks = async (): Promise<readonly string[]> =>
      (await node.ovs.ofctl("dump-flows", "br0", "dl_type=0x88b5")).match(/cookie=\w+/g) ?? [];
    const before = await marks();
    assert.equal(before.length, 1);
    // As a kill does: nothing of its end is written.
    agent.stop.abort();
    const { statistics: killed } = agent;
    agent = await startAgent();
    await agent.statistics.readNow();
    assert.deepEqual(await marks(), before);
    assert.equal(agent.statistics.epoch, killed.epoch);
  },
);
