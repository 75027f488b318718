import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeGroup, encodeNetworkPolicy, type NetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { flowKey } from "#lib/openflow/flow.ts";
import { seededRandom, silentLogger, systemClock } from "#lib/runtime/index.ts";
import { memoryFiles } from "#lib/runtime/testing/memory-files.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { createTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { policy, rule } from "../testing/policies.ts";
import { createFlowPipeline } from "./pipeline.ts";

const runtime = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
const resources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;

const port = (name: string, ofport: number): LocalPort =>
  ({
    interfaceName: name,
    ofport,
    podNamespace: "shop",
    podName: name,
    containerId: name,
    addresses: [parseAddress(`10.10.0.${ofport}`)],
    mac: parseMac(`0a:00:00:00:00:0${ofport}`),
  }) as unknown as LocalPort;

const group = (kind: "addressgroups" | "appliedtogroups", name: string, ...addresses: readonly string[]) =>
  encodeGroup(kind, {
    name,
    uid: name,
    members:
      kind === "appliedtogroups"
        ? [{ pod: { namespace: "shop", name }, ips: [], ports: [] }]
        : addresses.map((ip) => ({ ips: [parseAddress(ip)], ports: [] })),
  });
/** Lets the peers of a group to a pod, and nobody else. */
const opening = (subject: string, peers: string): NetworkPolicy =>
  policy(`to-${subject}`, { appliedToGroups: [subject], rules: [rule({ peer: { ...nothing, addressGroups: [peers] } })] });

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + amplePatience; !holds(); await new Promise(setImmediate))
    assert.ok(performance.now() < deadline, "it takes too long");
}

test("until a start knows nodes and ports, a pod that comes meanwhile changes no flow that is there; then it is opened", async (context) => {
  const memory = createMemorySwitch({ ...runtime, ports: [1, 2, 3].map((number) => ({ number })) });
  const { files, texts } = memoryFiles();
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  for (const each of [port("web", 1), port("api", 2)]) ports.upsert(each);
  ports.initializer("test")();
  const start = async ({ nodesKnown }: { readonly nodesKnown: boolean }) => {
    const stop = new AbortController();
    context.after(() => stop.abort());
    const controller = createFakeController();
    const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
    const nodesAreKnown = remoteNodes.initializer("test");
    if (nodesKnown) nodesAreKnown();
    const flows = await createFlowPipeline({
      runtime,
      pipeline: createPipeline({ datapath: "netdev" }),
      connect: () => Promise.resolve(memoryConnection(memory, runtime)),
      gateway: { ofport: 9, mac: parseMac("0e:00:00:00:00:01"), addresses: [parseAddress("10.10.0.254")] } as never,
      ports,
      remoteNodes,
      controllers: oneController(controller.client),
      node: "n1",
      snapshotFile: "policies",
      files,
      cacheFresh: () => Promise.resolve(),
      signal: stop.signal,
    });
    await until(() => resources.every((resource) => controller.opened(resource) > 0));
    for (const subject of ["web", "api", "late"]) controller.send("appliedtogroups", "ADDED", group("appliedtogroups", subject));
    // One address is a peer of each.
    controller.send("addressgroups", "ADDED", group("addressgroups", "of-web", "10.20.0.1", "10.20.0.2"));
    controller.send("addressgroups", "ADDED", group("addressgroups", "of-api", "10.20.0.1", "10.20.0.3"));
    controller.send("addressgroups", "ADDED", group("addressgroups", "of-late", "10.20.0.1"));
    for (const subject of ["web", "api", "late"])
      controller.send("networkpolicies", "ADDED", encodeNetworkPolicy(opening(subject, `of-${subject}`)));
    for (const resource of resources) controller.bookmark(resource);
    return { flows, nodesAreKnown, stop: () => stop.abort() };
  };
  const present = () =>
    new Map(
      [...memory.rules.entries()].map(({ flow }) => [
        flowKey(flow),
        JSON.stringify(flow.actions, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
      ]),
    );

  const first = await start({ nodesKnown: true });
  await first.flows.whenInSync();
  await first.flows.whenInForce();
  await until(() => texts.get("policies")?.includes(' openPorts ["web","api"]') === true);
  first.stop();
  const before = present();

  const second = await start({ nodesKnown: false });
  await until(() => second.flows.policies.ready);
  ports.upsert(port("late", 3));
  const opened = second.flows.openPod({ interfaceName: "late" });
  for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
  const meanwhile = present();
  for (const [key, actions] of before) assert.equal(meanwhile.get(key), actions);
  second.nodesAreKnown();
  await opened;
  assert.notEqual(present().size, before.size);
  // It ends before the snapshot's turn comes.
  assert.doesNotMatch(texts.get("policies") ?? "", / openPorts \["web","api","late"\]/);
  second.stop();
  await second.flows.close();
  assert.match(texts.get("policies") ?? "", / openPorts \["web","api","late"\]/);
});
