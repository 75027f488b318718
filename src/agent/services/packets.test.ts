import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { encodeGroup, encodeNetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import type { Frontend } from "#core/services/index.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createTable, type Table } from "#lib/table/index.ts";
import { createFlowPipeline, type FlowPipeline, type ServiceRow } from "../flows/index.ts";
import { createPacketNode, type PacketNode, type PacketPod } from "../flows/testing/packet-node.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { switchControl } from "../node-platform.ts";
import { type AskFrom, startPodProgram } from "./testing/pod-answers.ts";
import { answerUnserved, connectionTracker, forgetStaleConnections } from "./index.ts";
import { amplePatience, patience } from "#lib/runtime/testing/patience.ts";
import { testDatapath } from "#lib/openflow/testing/datapath.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const limit = { timeout: patience(240_000) };
const virtual = { 4: "10.96.0.10", 6: "fd00:96::10" } as const;
const families = [4, 6] as const;
const stop = new AbortController();

let node: PacketNode;
let flows: FlowPipeline;
let services: Table<ServiceRow>;
const controller = createFakeController();
const asks = new Map<string, AskFrom>();
/** Milliseconds without an answer after which nobody serves; who serves and is late is asked again. */
const silence = patience(800);

before(async () => {
  node = await createPacketNode("services", ["a", "b", "client"]);
  for (const pod of node.pods) {
    assert.ok(await pod.succeeds("ip", "route", "add", "default", "via", "10.10.0.1"));
    assert.ok(await pod.succeeds("ip", "route", "add", "default", "via", "fd00:10::1", "dev", "eth0"));
    asks.set(pod.port.podName, await startPodProgram(pod, "8080", "8081"));
  }
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  services = createTable<ServiceRow>({ name: "services", key: ({ key }) => key });
  for (const { port } of node.pods) ports.upsert(port);
  const connect = (signal: AbortSignal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal });
  for (const table of [ports, remoteNodes, services]) table.initializer("test")();
  flows = await createFlowPipeline({
    runtime,
    pipeline: createPipeline({ datapath: testDatapath }),
    connect,
    gateway: node.gateway,
    tunnel: { ofport: 32_768 },
    ports,
    remoteNodes,
    services,
    controllers: oneController(controller.client),
    node: "n1",
    snapshotFile: join(node.ovs.directory, "snapshot"),
    signal: stop.signal,
  });
  answerUnserved({ runtime, connect, signal: stop.signal });
  await writeFile(join(node.ovs.directory, "ovs-vswitchd.pid"), "");
  forgetStaleConnections({
    runtime,
    services,
    whenInForce: () => flows.whenInForce(),
    tracker: connectionTracker({ control: switchControl({ runtime, ovsRunDir: node.ovs.directory }) }),
  });
  for (const name of ["a", "client"]) {
    const group = { name, uid: name, members: [{ pod: { namespace: "shop", name }, ips: [], ports: [] }] };
    controller.send("appliedtogroups", "ADDED", encodeGroup("appliedtogroups", group));
  }
  const resources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;
  while (resources.some((resource) => controller.opened(resource) === 0)) await new Promise(setImmediate);
  for (const resource of resources) controller.bookmark(resource);
  await flows.whenInSync();
}, limit);
after(async () => {
  stop.abort();
  await node?.remove();
});

const ask = (from: string, request: string): Promise<string> =>
  asks.get(from)?.(request, silence) ?? Promise.reject(new Error(`no pod ${from}`));

function addressesOf(name: string): PacketPod["addresses"] {
  const found = node.pods.find(({ port }) => port.podName === name);
  assert.ok(found);
  const [v4, v6] = found.port.addresses;
  return { 4: String(v4), 6: String(v6) };
}

/** Port 80 of TCP and UDP in both families, on port 8080 of the pods. */
async function serve(pods: readonly string[], parts: Partial<Frontend> = {}): Promise<void> {
  const frontends = families.flatMap((family) =>
    (["TCP", "UDP"] as const).map(
      (protocol): Frontend => ({
        portName: "shop/web:",
        address: parseAddress(virtual[family]),
        protocol,
        port: 80,
        endpoints: pods.map((name) => ({ address: parseAddress(addressesOf(name)[family]), port: 8_080 })),
        whenEmpty: "reject",
        ...parts,
      }),
    ),
  );
  services.upsert({ key: "shop/web", frontends });
  await flows.whenInForce();
}

/** Waits until a condition holds: the switch's own cache follows its flows within some milliseconds. */
async function eventually<T>(condition: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + amplePatience; ; ) {
    try {
      return await condition();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

/** Asks the Service over every protocol and family. */
const everyWay = (from: string): Promise<string[]> =>
  Promise.all(families.flatMap((family) => ["tcp", "udp"].map((protocol) => ask(from, `${protocol} ${virtual[family]} 80`))));

/** Waits until each answer begins with what is expected. */
const answers = (from: string, expected: readonly string[]): Promise<void> =>
  eventually(async () => {
    const given = await everyWay(from);
    assert.deepEqual(
      given.map((answer, index) => answer.slice(0, expected[index]?.length)),
      expected,
    );
  });

test("a pod reaches an endpoint by the Service's address, and the endpoint sees the pod", limit, async () => {
  await serve(["a"]);
  const { 4: v4, 6: v6 } = addressesOf("client");
  await answers("client", [`a ${v4}`, `a ${v4}`, `a ${v6}`, `a ${v6}`]);
});

test("connections are spread, and follow the endpoints", limit, async () => {
  const seen = async (): Promise<string[]> => {
    const answers: string[] = [];
    for (let turn = 0; turn < 10; turn++) answers.push(...(await everyWay("client")));
    return [...new Set(answers.map((answer) => answer.split(" ")[0] ?? ""))].sort();
  };
  await serve(["a", "b"]);
  await eventually(async () => assert.deepEqual(await seen(), ["a", "b"]));
  await serve(["b"]);
  await eventually(async () => assert.deepEqual(await seen(), ["b"]));
});

test("a pod reaches itself through the Service, and sees the virtual address", limit, async () => {
  await serve(["client"]);
  await answers("client", ["client 169.254.0.253", "client 169.254.0.253", "client fc01::aabb:ccdd:eeff", "client fc01::aabb:ccdd:eeff"]);
});

test("without endpoints the client is refused at once", limit, async () => {
  await serve([]);
  await answers("client", ["refused", "refused", "refused", "refused"]);
  await serve(["a"]);
  await eventually(async () => assert.match(await ask("client", "tcp 10.96.0.10 80"), /^a /));
});

test("traffic that must stay on the node is dropped when its endpoints are elsewhere", limit, async () => {
  await serve([], { whenEmpty: "drop" });
  await answers("client", closed);
});

test("with affinity a client stays with its endpoint, until that is gone", limit, async () => {
  // Each of the four ways chooses for itself.
  const stays = (): Promise<string[]> =>
    eventually(async () => {
      const first = await everyWay("client");
      for (const answer of first) assert.match(answer, /^[ab] /);
      for (let turn = 0; turn < 8; turn++) assert.deepEqual(await everyWay("client"), first);
      return first;
    });
  await serve(["a", "b"], { affinitySeconds: 100 });
  await stays();
  await serve(["b"], { affinitySeconds: 100 });
  await answers("client", ["b ", "b ", "b ", "b "]);
  await serve(["a", "b"], { affinitySeconds: 100 });
  await stays();
});

const closed = ["timeout", "timeout", "timeout", "timeout"];
const anybody = { ...nothing, ipBlocks: ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };

/** Isolates a pod in a direction but for these ports of TCP and UDP. */
const policy = (direction: "In" | "Out", group: string, ports: readonly number[]) =>
  encodeNetworkPolicy({
    name: "p",
    uid: "p",
    generation: 1,
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "p", uid: "p" },
    appliedToGroups: [group],
    rules: [
      {
        direction,
        peer: anybody,
        services: ports.flatMap((port) => [{ protocol: "TCP", port } as const, { protocol: "UDP", port } as const]),
        priority: -1,
        action: "Allow",
        enableLogging: false,
        appliedToGroups: [],
        l7Protocols: [],
      },
    ],
  });

async function withPolicy(wanted: ReturnType<typeof policy>, check: () => Promise<void>): Promise<void> {
  controller.send("networkpolicies", "ADDED", wanted);
  while (flows.policies.networkPolicies().length === 0) await new Promise(setImmediate);
  await flows.whenInForce();
  await check().finally(() => controller.send("networkpolicies", "DELETED", { metadata: { name: "p" } }));
  while (flows.policies.networkPolicies().length > 0) await new Promise(setImmediate);
  await flows.whenInForce();
}

test("policies see the endpoint and its port; a pod that reaches itself is no peer of its own", limit, async () => {
  const open = ["a ", "a ", "a ", "a "];
  const expect = (wanted: ReturnType<typeof policy>, expected: readonly string[]) => withPolicy(wanted, () => answers("client", expected));
  await serve(["a"]);
  await expect(policy("Out", "client", [8_080]), open);
  await expect(policy("Out", "client", [80]), closed);
  await expect(policy("In", "a", [8_080]), open);
  await expect(policy("In", "a", [80]), closed);
  await serve(["client"]);
  await expect(policy("In", "client", []), ["client ", "client ", "client ", "client "]);
  await expect(policy("Out", "client", [80]), closed);
});

test("a client that policy refuses is refused at every try", limit, async () => {
  await serve(["a"]);
  await withPolicy(policy("In", "a", [80]), async () => {
    await answers("client", closed);
    // The tracker of the userspace datapath would take the third packet of a committed connection for an established one.
    for (let turn = 0; turn < 4; turn++) {
      const given = families.map((family) => ask("client", `udp ${virtual[family]} 80 ${7_000 + family}`));
      assert.deepEqual(await Promise.all(given), ["timeout", "timeout"]);
    }
  });
});

test("a UDP client that keeps its port follows the endpoints", limit, async () => {
  const fromOnePort = async (expected: RegExp): Promise<void> => {
    for (const family of families)
      await eventually(async () => assert.match(await ask("client", `udp ${virtual[family]} 80 7001`), expected));
  };
  await serve(["a"]);
  await fromOnePort(/^a /);
  await serve(["b"]);
  await fromOnePort(/^b /);
});

test("a Service that is gone leaves no flow and no group", limit, async () => {
  await serve(["a", "b"], { affinitySeconds: 100 });
  await everyWay("client");
  services.delete("shop/web");
  await flows.whenInForce();
  const dump = await node.ovs.ofctl("dump-flows", "br0", "--names");
  assert.doesNotMatch(dump, /10\.96\.0\.10|fd00:96::10/);
  assert.doesNotMatch(await node.ovs.ofctl("dump-groups", "br0"), /bucket=/);
});
