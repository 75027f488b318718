import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  type ControlplaneResource,
  encodeGroup,
  encodeNetworkPolicy,
  type NetworkPolicy,
  nothing,
  type PolicyRule,
} from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { compilePacketInMeters } from "#core/pipeline/packet-in/index.ts";
import { parsePrefix } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { createTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFlowPipeline, type FlowPipeline } from "../flows/index.ts";
import { createPacketNode, type PacketNode, type PacketPod } from "../flows/testing/packet-node.ts";
import { answerRejected } from "../packet-in/index.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { type AskFrom, startPodProgram } from "../services/testing/pod-answers.ts";
import { policy, rule } from "../testing/policies.ts";
import { type AuditFigures, keepAuditLog, podsByPort } from "./index.ts";

// One switch and pods with real sockets. `web` and `db` serve on ports 80 to 84; `client` connects.
const runtime = { ...systemRuntime(), logger: silentLogger };
const pipeline = createPipeline();
const limit = { timeout: patience(240_000) };
const resources: readonly ControlplaneResource[] = ["networkpolicies", "addressgroups", "appliedtogroups"];
const stop = new AbortController();
const controller = createFakeController();
const asks = new Map<string, AskFrom>();
/** Milliseconds after which what is dropped has not come. */
const silence = 1_000;
let node: PacketNode;
let flows: FlowPipeline;
let audit: { readonly figures: () => AuditFigures; close(): Promise<void> };
let file: string;

const everybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };
const portRule = (port: number, parts: Partial<PolicyRule>): PolicyRule =>
  rule({ peer: everybody, services: [{ protocol: "TCP", port }], ...parts });

/** Applied to `web`: each port is another rule. */
const tierPolicy = (logs: boolean): NetworkPolicy =>
  policy("guard", {
    sourceRef: { type: "AntreaNetworkPolicy", namespace: "shop", name: "guard", uid: "guard" },
    appliedToGroups: ["web"],
    tierPriority: 250,
    priority: 5,
    rules: [
      portRule(80, { priority: 0, name: "let-in", enableLogging: logs }),
      portRule(81, { priority: 1, name: "keep-out", action: "Drop", enableLogging: logs, logLabel: "tag" }),
      portRule(82, { priority: 2, name: "refuse", action: "Reject", enableLogging: logs }),
      portRule(83, { priority: 3, name: "silent", action: "Reject" }),
    ],
  });
/** Applied to `client`, on its way out. */
const leavingPolicy = (logs: boolean): NetworkPolicy =>
  policy("leave", {
    sourceRef: { type: "AntreaClusterNetworkPolicy", name: "leave", uid: "leave" },
    appliedToGroups: ["client"],
    tierPriority: 250,
    priority: 6,
    rules: (["Allow", "Drop", "Reject"] as const).map((action, priority) =>
      portRule(84 + priority, { direction: "Out", priority, name: `out-${84 + priority}`, action, enableLogging: logs, logLabel: "out" }),
    ),
  });
/** Applied to `db`: port 80 is open, everything else is dropped by default. */
const kubernetesPolicy = (logs: boolean): NetworkPolicy =>
  policy("open-80", { appliedToGroups: ["db"], rules: [portRule(80, { enableLogging: logs })] });

before(async () => {
  node = await createPacketNode("audit", ["web", "db", "client"], { subnet: 1 });
  file = join(node.ovs.directory, "networkpolicy", "np.log");
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  for (const { port } of node.pods) ports.upsert(port);
  for (const table of [ports, remoteNodes]) table.initializer("test")();
  const connect = (signal: AbortSignal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal });
  const meters = compilePacketInMeters(5_000);
  const snapshotFile = join(node.ovs.directory, "policies.snapshot");
  const controllers = oneController(controller.client);
  const { gateway } = node;
  const { signal } = stop;
  flows = await createFlowPipeline({
    runtime,
    pipeline,
    connect,
    gateway,
    ports,
    remoteNodes,
    controllers,
    node: "n1",
    snapshotFile,
    meters,
    signal,
  });
  const answers = answerRejected({ runtime, connect, ports, gateway, rate: 5_000, signal });
  audit = keepAuditLog({
    runtime,
    pipeline,
    connect,
    file,
    rotation: { maxSizeBytes: 1 << 20, maxBackups: 1, maxAgeDays: 1, compress: true },
    ruleOf: flows.auditedRule,
    podOf: podsByPort(ports),
    signal,
  });
  while (resources.some((resource) => controller.opened(resource) === 0)) await new Promise(setImmediate);
  for (const name of ["web", "db", "client"]) {
    const members = [{ pod: { namespace: "shop", name }, ips: [], ports: [] }];
    controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", { name, uid: name, members }));
  }
  for (const each of [tierPolicy(true), leavingPolicy(true), kubernetesPolicy(true)])
    controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(each));
  for (const resource of resources) controller.bookmark(resource);
  await flows.whenInSync();
  while (!audit.figures().packets.connected || !answers.figures().connected) await new Promise(setImmediate);
  for (const pod of node.pods) asks.set(pod.port.podName, await startPodProgram(pod, "80", "81", "82", "83", "84"));
}, limit);
after(async () => {
  stop.abort();
  await audit?.close();
  await node?.remove();
});

const podNamed = (name: string): PacketPod => {
  const found = node.pods.find(({ port }) => port.podName === name);
  assert.ok(found);
  return found;
};
const reaches = async (to: string, family: 4 | 6, port: number, withinMs: number): Promise<boolean> =>
  (await asks.get("client")?.(`tcp ${podNamed(to).addresses[family]} ${port}`, withinMs))?.startsWith(`${to} `) ?? false;

/** Lines without their time, lengths and the client's ports. */
async function linesOf(): Promise<string[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      assert.match(line, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d\.\d{6} (\S+ ){13}\S+( \[\d+ packets in [\d.]+s\])?$/);
      return line.replace(/^\S+ \S+ /, "").replace(/ \[\d+ packets in .*\]$/, "");
    });
}

const tries = ([4, 6] as const).flatMap((family) => [
  { to: "web", family, port: 80, passes: true },
  { to: "web", family, port: 81, passes: false },
  { to: "web", family, port: 82, passes: false },
  { to: "web", family, port: 83, passes: false },
  { to: "web", family, port: 84, passes: true },
  { to: "web", family, port: 85, passes: false },
  { to: "web", family, port: 86, passes: false },
  { to: "db", family, port: 80, passes: true },
  { to: "db", family, port: 81, passes: false },
]);
async function connectEverywhere(): Promise<void> {
  const verdicts = await Promise.all(
    tries.map(({ to, family, port, passes }) => reaches(to, family, port, passes ? amplePatience : silence)),
  );
  assert.deepEqual(
    verdicts,
    tries.map(({ passes }) => passes),
  );
}

test("what rules with logging decide is in the file; what others decide is not", limit, async () => {
  await connectEverywhere();
  const client = podNamed("client").addresses;
  const [web, db] = [podNamed("web").addresses, podNamed("db").addresses];
  const expected = ([4, 6] as const).flatMap((family) => [
    `AntreaPolicyIngressRule AntreaNetworkPolicy:shop/guard let-in Ingress Allow PRIORITY shop/web ${client[family]} PORT ${web[family]} 80 TCP LENGTH <nil>`,
    `AntreaPolicyIngressRule AntreaNetworkPolicy:shop/guard keep-out Ingress Drop PRIORITY shop/web ${client[family]} PORT ${web[family]} 81 TCP LENGTH tag`,
    `AntreaPolicyIngressRule AntreaNetworkPolicy:shop/guard refuse Ingress Reject PRIORITY shop/web ${client[family]} PORT ${web[family]} 82 TCP LENGTH <nil>`,
    ...[84, 85, 86].map((port) => {
      const verdict = ["Allow", "Drop", "Reject"][port - 84];
      return `AntreaPolicyEgressRule AntreaClusterNetworkPolicy:leave out-${port} Egress ${verdict} PRIORITY shop/client ${client[family]} PORT ${web[family]} ${port} TCP LENGTH out`;
    }),
    `IngressRule K8sNetworkPolicy:shop/open-80 <nil> Ingress Allow PRIORITY shop/db ${client[family]} PORT ${db[family]} 80 TCP LENGTH <nil>`,
    `IngressDefaultRule K8sNetworkPolicy <nil> Ingress Drop <nil> shop/db ${client[family]} PORT ${db[family]} 81 TCP LENGTH <nil>`,
  ]);
  const seen = async (): Promise<string[]> => {
    const lines = (await linesOf()).map((line) => {
      const fields = line.split(" ");
      if (fields[5] !== "<nil>") fields[5] = /^\d+$/.test(fields[5] ?? "") ? "PRIORITY" : String(fields[5]);
      return fields.with(8, "PORT").with(12, "LENGTH").join(" ");
    });
    // A SYN without an answer is sent again.
    return [...new Set(lines)].sort();
  };
  const giveUp = AbortSignal.timeout(amplePatience);
  while ((await seen()).length < expected.length && !giveUp.aborted) await new Promise(setImmediate);
  assert.deepEqual(await seen(), expected.sort());
  // A SYN that is sent again as the machine was slow is told again, and is no connection of its own: what tells them apart is the client's port.
  const connections = new Set(
    (await linesOf()).filter((line) => line.includes(" Allow ")).map((line) => line.split(" ").slice(6, 11).join()),
  );
  assert.equal(connections.size, 6, "one line for each connection that is let in");
  // The priority is that of the flow in the switch.
  const priorities = new Set((await linesOf()).flatMap((line) => line.split(" ")[5] ?? []).filter((text) => text !== "<nil>"));
  const dumped = await node.ovs.ofctl("dump-flows", "br0");
  for (const priority of priorities) assert.match(dumped, new RegExp(`priority=${priority},[^\\n]*actions=clone\\([^\\n]*controller`));
  assert.deepEqual([audit.figures().unknown, audit.figures().lost], [0, 0]);
});

test("logging that is turned off leaves flows that send nothing, and no line", limit, async () => {
  for (const each of [tierPolicy(false), leavingPolicy(false), kubernetesPolicy(false)])
    controller.send("networkpolicies", "MODIFIED", encodeNetworkPolicy(each));
  const dump = (): Promise<string> => node.ovs.ofctl("dump-flows", "br0");
  while ((await dump()).includes("userdata=02")) await flows.whenInForce();
  const before = audit.figures().packets.handled;
  await connectEverywhere();
  assert.equal(audit.figures().packets.handled, before);
});
