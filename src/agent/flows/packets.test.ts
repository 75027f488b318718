import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  type ControlplaneResource,
  encodeGroup,
  encodeNetworkPolicy,
  type NetworkPolicy,
  nothing,
  type PolicyRule,
} from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { rule } from "#core/pipeline/policy/testing/rule.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { type KubeClient, keyOf, type Pod } from "#lib/kube/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { closeDeleted } from "../close-deleted.ts";
import { tracksSctpPorts } from "../ovs/sctp-tracking.ts";
import type { SwitchControl } from "../platform.ts";
import { createFlowPipeline } from "./pipeline.ts";
import { type AskFrom, startPodProgram } from "../services/testing/pod-answers.ts";
import { createPacketNode, type PacketNode, type PacketPod } from "./testing/packet-node.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const limit = { timeout: patience(240_000) };
const resources: readonly ControlplaneResource[] = ["networkpolicies", "addressgroups", "appliedtogroups"];

const asks = new Map<string, AskFrom>();
let node: PacketNode;
before(async () => {
  node = await createPacketNode("packets", ["web", "good", "bad"]);
  for (const { start } of node.pods) start("busybox", "nc", "-ll", "-p", "82", "-e", "busybox", "cat");
  for (const each of node.pods) asks.set(each.port.podName, await startPodProgram(each, "80", "81"));
  for (const { listens } of node.pods) await listens(82);
}, limit);
after(() => node?.remove());

const pod = (name: string): PacketPod => {
  const found = node.pods.find(({ port }) => port.podName === name);
  assert.ok(found);
  return found;
};

/** What the agent told the controller of a policy. */
interface Report {
  readonly failed: boolean;
  readonly message: string | undefined;
}

const running = new Set<() => void>();
afterEach(() => {
  for (const stop of running) stop();
  running.clear();
});

async function agent(options: { readonly snapshot: string; readonly controller?: boolean; readonly pods?: readonly string[] }) {
  const { snapshot, controller: answers = true, pods = ["web", "good", "bad"] } = options;
  const stop = new AbortController();
  running.add(() => stop.abort());
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  for (const name of pods) ports.upsert(pod(name).port);
  ports.initializer("test")();
  remoteNodes.initializer("test")();
  const controller = createFakeController();
  const reports: Report[] = [];
  const client = {
    ...controller.client,
    create(_resource: unknown, { nodes = [] }: { readonly nodes?: readonly { realizationFailure?: boolean; message?: string }[] }) {
      for (const { realizationFailure = false, message } of nodes) reports.push({ failed: realizationFailure, message });
      return Promise.resolve({});
    },
  } as unknown as KubeClient;
  const connect = (signal: AbortSignal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal });
  const control: SwitchControl = (command, args = []) => node.ovs.appctl(command, ...args);
  const tracksSctp = await tracksSctpPorts({ connect, control, logger: silentLogger, signal: stop.signal });
  const flows = await createFlowPipeline({
    runtime,
    pipeline: createPipeline({ datapath: testDatapath, tracksSctp }),
    connect,
    gateway: node.gateway,
    tunnel: { ofport: 32_768 },
    ports,
    remoteNodes,
    controllers: oneController(client),
    node: "n1",
    cacheFresh: () => Promise.resolve(),
    snapshotFile: join(node.ovs.directory, snapshot),
    signal: stop.signal,
  });
  while (answers && resources.some((resource) => controller.opened(resource) === 0)) await new Promise(setImmediate);
  if (answers) for (const resource of resources) controller.bookmark(resource);
  await flows.whenInSync();
  return { flows, controller, reports, ports, tracksSctp, stop: () => stop.abort() };
}
type Agent = Awaited<ReturnType<typeof agent>>;

const policy = (name: string, ...rules: readonly PolicyRule[]): NetworkPolicy => ({
  name,
  uid: name,
  generation: 1,
  sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name, uid: name },
  appliedToGroups: ["web"],
  rules,
});
const everybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
const webGroup = encodeGroup("appliedtogroups", {
  name: "web",
  uid: "web",
  members: [{ pod: { namespace: "shop", name: "web" }, ips: [], ports: [] }],
});
const goodPeers = () =>
  encodeGroup("addressgroups", {
    name: "good",
    uid: "good",
    members: [{ pod: { namespace: "shop", name: "good" }, ips: pod("good").port.addresses, ports: [] }],
  });

/** Resolves when what the controller sent so far, known by `condition`, is in force. */
async function inForce({ flows }: Agent, condition: () => boolean = () => true): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
  await flows.whenInForce();
  // What is cached of before is gone over in time, which may be after the next packet; the agent asks for it, too (ovs/fresh-cache).
  await node.ovs.appctl("revalidator/purge");
}

/** Seconds to wait for what must not come, and for what must come on a busy machine. */
const waits = { refused: 1, allowed: amplePatience / 1_000 };

const pings = (from: string, to: string, family: 4 | 6, wait: number): Promise<boolean> =>
  pod(from).succeeds("busybox", family === 4 ? "ping" : "ping6", "-c", "1", "-W", `${wait}`, pod(to).addresses[family]);
const connects = async (from: string, to: string, family: 4 | 6, port: number, wait: number): Promise<boolean> =>
  (await asks.get(from)?.(`tcp ${pod(to).addresses[family]} ${port}`, wait * 1_000))?.startsWith(`${to} `) ?? false;

async function expectVerdicts(
  rows: readonly (readonly [from: string, to: string, what: "ping" | number, allowed: boolean])[],
): Promise<void> {
  const tries = rows.flatMap(([from, to, what, allowed]) =>
    ([4, 6] as const).map(async (family) => {
      const wait = allowed ? waits.allowed : waits.refused;
      const passed = what === "ping" ? await pings(from, to, family, wait) : await connects(from, to, family, what, wait);
      return passed === allowed ? [] : [`${from} -> ${to} ${what} IPv${family}: ${passed ? "passed" : "dropped"}`];
    }),
  );
  assert.deepEqual((await Promise.all(tries)).flat(), []);
}

async function says(client: ChildProcess, line: string, wait = waits.allowed): Promise<string> {
  assert.ok(client.stdin && client.stdout);
  client.stdin.write(`${line}\n`);
  const [answer] = await once(client.stdout, "data", { signal: AbortSignal.timeout(wait * 1_000) });
  return String(answer).trim();
}

test("without policies every pod reaches every other, in both families", limit, async () => {
  await agent({ snapshot: "none" });
  await expectVerdicts([
    ["good", "web", "ping", true],
    ["good", "web", 80, true],
    ["bad", "web", 81, true],
    ["web", "bad", 80, true],
  ]);
});

test("a policy bites new connections of those it does not allow; known ones go on; without it all is open again", limit, async () => {
  const here = await agent({ snapshot: "bites" });
  const { controller, flows } = here;
  const client = pod("bad").start("busybox", "nc", pod("web").addresses[4], "82");
  assert.equal(await says(client, "before"), "before");
  controller.send("appliedtogroups", "ADDED", webGroup);
  controller.send("addressgroups", "ADDED", goodPeers());
  const allowed = rule({ peer: { ...nothing, addressGroups: ["good"] }, services: [{ protocol: "TCP", port: 80 }] });
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policy("allow", allowed, rule({ direction: "Out" }))));
  await inForce(here, () => flows.policies.networkPolicies().length === 1);
  await expectVerdicts([
    ["good", "web", 80, true],
    ["good", "web", 81, false],
    ["good", "web", "ping", false],
    ["bad", "web", 80, false],
    ["web", "good", 80, false],
    ["bad", "good", 80, true],
  ]);
  assert.equal(await says(client, "after"), "after");
  controller.send("networkpolicies", "DELETED", { metadata: { name: "allow" } });
  await inForce(here, () => flows.policies.networkPolicies().length === 0);
  await expectVerdicts([
    ["bad", "web", 80, true],
    ["web", "good", 80, true],
  ]);
});

test(
  "a policy whose flows the switch has no room for is told as failed in its words; its pods are closed, others are not, until there is room",
  limit,
  async () => {
    const here = await agent({ snapshot: "full" });
    const { controller, flows, reports } = here;
    const tierRule = createPipeline({ datapath: testDatapath }).table("AntreaPolicyIngressRule");
    await node.ovs.vsctl("--id=@t", "create", "Flow_Table", "flow_limit=1", "--", "set", "Bridge", "br0", `flow_tables:${tierRule}=@t`);
    const denied = ([80, 81] as const).map((port, priority) =>
      rule({ peer: everybody, services: [{ protocol: "TCP", port }], action: "Drop", name: `no-${port}`, priority }),
    );
    const tier = { sourceRef: { type: "AntreaClusterNetworkPolicy", name: "deny", uid: "deny" }, tierPriority: 250, priority: 5 } as const;
    controller.send("appliedtogroups", "ADDED", webGroup);
    controller.send("networkpolicies", "ADDED", encodeNetworkPolicy({ ...policy("deny", ...denied), ...tier }));
    await inForce(here, () => flows.policies.networkPolicies().length === 1);
    while (!reports.some(({ failed, message = "" }) => failed && /OFPFMFC_TABLE_FULL/.test(message))) await new Promise(setImmediate);
    await node.ovs.appctl("revalidator/purge");
    // Neither 80 nor 81, of which one is denied only by name, nor what nothing denies.
    await expectVerdicts([
      ["good", "web", 80, false],
      ["good", "web", 81, false],
      ["good", "web", "ping", false],
      ["web", "good", 80, true],
      ["bad", "good", 80, true],
    ]);
    await node.ovs.vsctl("clear", "Bridge", "br0", "flow_tables");
    while (flows.status().refused.length > 0 || reports.at(-1)?.failed !== false) await new Promise(setImmediate);
    await node.ovs.appctl("revalidator/purge");
    await expectVerdicts([
      ["good", "web", 80, false],
      ["good", "web", 81, false],
      ["good", "web", "ping", true],
    ]);
    controller.send("networkpolicies", "DELETED", { metadata: { name: "deny" } });
    await inForce(here, () => flows.policies.networkPolicies().length === 0);
  },
);

const sctp = fileURLToPath(new URL("../../lib/netlink/testing/sctp.ts", import.meta.url));
const sctpPorts = { open: 9_003, closed: 9_005 } as const;
const talks = (from: string, to: string, family: 4 | 6, port: number): ChildProcess =>
  pod(from).start(process.execPath, sctp, "talk", pod(to).addresses[family], String(port));
/** Whether an association comes into being; the kernel itself would try for a minute and more. */
const associates = async (from: string, to: string, family: 4 | 6, port: number, wait: number): Promise<boolean> => {
  const client = talks(from, to, family, port);
  assert.ok(client.stdout);
  const timer = setTimeout(() => client.kill("SIGKILL"), wait * 1_000);
  const [line] = (await Promise.race([once(client.stdout, "data"), once(client, "close").then(() => [""])])) as [unknown];
  clearTimeout(timer);
  client.kill("SIGKILL");
  return String(line).startsWith("associated");
};

test("SCTP sockets: a policy opens the ports that it names; associations of before go on where the tracker knows them", {
  timeout: patience(240_000),
}, async (context) => {
  const here = await agent({ snapshot: "sctp" });
  const { controller, flows, tracksSctp } = here;
  const server = pod("web").start(process.execPath, sctp, "echo", ...Object.values(sctpPorts).map(String));
  if (!(await eventuallyAssociates("good", "web", server))) return context.skip("this kernel has no SCTP sockets");
  const before = talks("bad", "web", 4, sctpPorts.open);
  assert.ok(before.stdout);
  await once(before.stdout, "data");
  assert.equal(await says(before, "before"), "before");
  controller.send("appliedtogroups", "ADDED", webGroup);
  controller.send("addressgroups", "ADDED", goodPeers());
  const allowed = rule({ peer: { ...nothing, addressGroups: ["good"] }, services: [{ protocol: "SCTP", port: sctpPorts.open }] });
  controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(policy("sctp", allowed)));
  await inForce(here, () => flows.policies.networkPolicies().length === 1);
  for (const family of [4, 6] as const) {
    assert.equal(await associates("good", "web", family, sctpPorts.open, waits.allowed), true, `IPv${family}, allowed`);
    assert.equal(await associates("good", "web", family, sctpPorts.closed, waits.refused), false, `IPv${family}, another port`);
    assert.equal(await associates("bad", "web", family, sctpPorts.open, waits.refused), false, `IPv${family}, another peer`);
  }
  if (tracksSctp) assert.equal(await says(before, "after"), "after");
  else await assert.rejects(says(before, "after", 3 * waits.refused));
  context.diagnostic(`the tracker ${tracksSctp ? "knows" : "does not know"} ports of SCTP`);
});

/** The server listens soon, or ends. */
async function eventuallyAssociates(from: string, to: string, server: ChildProcess): Promise<boolean> {
  while (server.exitCode === null) if (await associates(from, to, 4, sctpPorts.open, waits.allowed)) return true;
  return false;
}

test("an agent that starts without its controller enforces what was enforced, and changes no flow", limit, async () => {
  const first = await agent({ snapshot: "kept" });
  first.controller.send("appliedtogroups", "ADDED", webGroup);
  first.controller.send("addressgroups", "ADDED", goodPeers());
  first.controller.send(
    "networkpolicies",
    "ADDED",
    encodeNetworkPolicy(policy("allow", rule({ peer: { ...nothing, addressGroups: ["good"] } }))),
  );
  await inForce(first, () => first.flows.policies.networkPolicies().length === 1);
  const written = join(node.ovs.directory, "kept");
  const hasPolicy = async (): Promise<boolean> => {
    return (await readFile(written, "utf8").catch(() => "")).includes("K8sNetworkPolicy");
  };
  while (!(await hasPolicy())) await new Promise(setImmediate);
  first.stop();
  const dump = async (): Promise<string> => (await node.ovs.ofctl("dump-flows", "br0", "--no-stats")).trim();
  const before = await dump();
  const begun = performance.now();
  await agent({ snapshot: "kept", controller: false });
  const elapsed = (performance.now() - begun) / 1_000;
  assert.equal(await dump(), before);
  const connection = await connectOpenFlow({ runtime, path: node.ovs.management("br0") });
  for await (const { stats } of connection.dumpFlows()) assert.ok(stats.duration > elapsed, "a flow was made anew");
  connection.close();
  await expectVerdicts([
    ["good", "web", 80, true],
    ["bad", "web", 80, false],
  ]);
  await rm(written);
});

test("a new pod is closed until its policies are known", limit, async () => {
  const here = await agent({ snapshot: "new", pods: ["good", "web"] });
  here.ports.upsert(pod("bad").port);
  await inForce(here);
  await expectVerdicts([["bad", "web", 80, false]]);
  const ready = here.flows.podReady({ namespace: "shop", name: "bad", interfaceName: "bad", resourceVersion: "5" });
  const computed = { cluster: "c", pods: "5", namespaces: "1", networkpolicies: "1" };
  for (const resource of resources) here.controller.bookmark(resource, computed);
  await ready;
  await expectVerdicts([
    ["bad", "web", 80, true],
    ["web", "bad", "ping", true],
  ]);
});

test("a pod whose object is deleted while it runs is closed to new connections, until it is made ready again", limit, async () => {
  const here = await agent({ snapshot: "deleted" });
  const pods = createTable<Pod>({ name: "pods", key: keyOf });
  closeDeleted({ pods, ports: here.ports, flows: here.flows, logger: runtime.logger });
  pods.upsert({ metadata: { namespace: "shop", name: "web", uid: "1", resourceVersion: "1" }, spec: { containers: [] } });
  pods.upsert({
    metadata: { namespace: "shop", name: "web", uid: "1", resourceVersion: "2", labels: { app: "x" } },
    spec: { containers: [] },
  });
  const client = pod("bad").start("busybox", "nc", pod("web").addresses[4], "82");
  assert.equal(await says(client, "before"), "before");
  await expectVerdicts([["good", "web", 80, true]]);
  pods.delete("shop/web");
  await inForce(here);
  await expectVerdicts([
    ["good", "web", 80, false],
    ["web", "good", 80, false],
    ["bad", "good", 80, true],
  ]);
  assert.equal(await says(client, "after"), "after");
  await here.flows.openPod({ interfaceName: "web" });
  await expectVerdicts([["good", "web", 80, true]]);
});
