import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { encodeGroup, encodeNetworkPolicy, nothing } from "#core/api/controlplane/index.ts";
import { besideStrangers, createPipeline, entryTable } from "#core/pipeline/index.ts";
import { parseAddress } from "#lib/ip/index.ts";
import { patience } from "#lib/runtime/testing/patience.ts";
import { answerLoad, startLoad, unreadPackets } from "./testing/load.ts";
import { loadPorts } from "./testing/load-ports.ts";
import { movedLayout } from "./testing/moved-layout.ts";
import { flowStates, ofctl } from "./testing/picture.ts";
import { policy, rule } from "./testing/policies.ts";
import { createPrivateAgent, type PrivateAgent } from "./testing/private-agent.ts";

// The agent goes and comes back in every way there is, while packets of every kind cross a switch full of its flows: none is lost, and no flow touched.

/** `RESTART_PODS=200 RESTART_RATE=1000 RESTART_AWAY=600` for more. */
const pods = Number(process.env.RESTART_PODS ?? 4);
const packetsPerSecond = Number(process.env.RESTART_RATE ?? 200);
const awaySeconds = Number(process.env.RESTART_AWAY ?? 2);
/** Policies and Services: as many as 200 pods would have. At least 8. */
const objects = Number(process.env.RESTART_OBJECTS ?? 200);
/** What `npm run build` makes; the same source again where it was not run. */
const otherBuild = fileURLToPath(new URL("../../dist/antrea-agent.js", import.meta.url));

const numbers = Array.from({ length: objects }, (_, number) => number);
const member = (name: string) => ({ pod: { namespace: "shop", name }, ips: [], ports: [] });
const remote = (number: number) => ({
  ...member(`remote-${number}`),
  ips: [`10.10.1.${number + 2}`, `fd00:11::${(number + 2).toString(16)}`].map(parseAddress),
});
/** The client, whose addresses are known beforehand: it is the second pod here. */
const client = { ...member("client"), ips: ["10.10.0.3", "fd00:10::3"].map(parseAddress) };
const services = [
  { protocol: "UDP" as const, port: loadPorts.stream },
  { protocol: "UDP" as const, port: loadPorts.connections.first, endPort: loadPorts.connections.first + loadPorts.connections.count - 1 },
  { protocol: "TCP" as const, port: loadPorts.echo },
  { protocol: "TCP" as const, port: loadPorts.service },
];
const from = (...addressGroups: readonly string[]) => ({ ...nothing, addressGroups });
const controlplane = {
  appliedtogroups: [
    encodeGroup("appliedtogroups", { name: "server", uid: "server", members: [member("server")] }),
    ...numbers.map((number) =>
      encodeGroup("appliedtogroups", { name: `pod-${number}`, uid: `pod-${number}`, members: [member(`pod-${number % pods}`)] }),
    ),
  ],
  addressgroups: [
    encodeGroup("addressgroups", { name: "client", uid: "client", members: [client] }),
    ...numbers.map((number) =>
      encodeGroup("addressgroups", { name: `peers-${number}`, uid: `peers-${number}`, members: [remote(number)] }),
    ),
  ],
  networkpolicies: [
    encodeNetworkPolicy(policy("server", { appliedToGroups: ["server"], rules: [rule({ peer: from("client"), services })] })),
    ...numbers.map((number) =>
      encodeNetworkPolicy(
        policy(`policy-${number}`, { appliedToGroups: [`pod-${number}`], rules: [rule({ peer: from(`peers-${number}`) })] }),
      ),
    ),
  ],
};
/** All lead to the first pod here, by virtual addresses of both families. */
const virtual = (number: number): string[] => [`10.96.0.${number + 1}`, `fd00:96::${(number + 1).toString(16)}`];
const clusterServices = {
  services: numbers.map((number) => ({
    metadata: { namespace: "shop", name: `service-${number}`, uid: `service-${number}`, resourceVersion: "1" },
    spec: {
      type: "ClusterIP",
      clusterIP: virtual(number)[0],
      clusterIPs: virtual(number),
      ipFamilies: ["IPv4", "IPv6"],
      ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 80 }],
    },
  })),
  endpointslices: numbers.flatMap((number) =>
    (["IPv4", "IPv6"] as const).map((addressType) => ({
      metadata: {
        namespace: "shop",
        name: `service-${number}-${addressType}`.toLowerCase(),
        uid: `slice-${number}-${addressType}`,
        resourceVersion: "1",
        labels: { "kubernetes.io/service-name": `service-${number}` },
      },
      addressType,
      endpoints: [{ addresses: [addressType === "IPv4" ? "10.10.0.2" : "fd00:10::2"], conditions: { ready: true, serving: true } }],
      ports: [{ name: "http", protocol: "TCP", port: 80 }],
    })),
  ),
};

type Pod = Awaited<ReturnType<PrivateAgent["addPod"]>>;
let agent: PrivateAgent;
let server: Pod;
let sender: Pod;
let answering: { stop(): void };
before(
  async () => {
    agent = await createPrivateAgent("restart", { controlplane, services: clusterServices });
    agent.start();
    await agent.eventually(isReady);
    server = await agent.addPod("server");
    sender = await agent.addPod("client");
    assert.deepEqual([server.addresses, sender.addresses], [["10.10.0.2", "fd00:10::2"], client.ips.map(String)]);
    const names = [sender.interfaceName];
    for (let number = 0; number < pods; number += 4) {
      const added = [0, 1, 2, 3].filter((next) => number + next < pods).map((next) => agent.addPod(`pod-${number + next}`));
      names.push(...(await Promise.all(added)).map(({ interfaceName }) => interfaceName));
    }
    answering = await answerLoad(server.namespace);
    await agent.eventually(async () => {
      const snapshot = await readFile(join(agent.runDir, "policies.snapshot"), "utf8");
      return names.every((name) => snapshot.includes(name));
    });
  },
  { timeout: patience(240_000 + pods * 2_000) },
);
after(async () => {
  answering?.stop();
  await agent?.remove();
});

const isReady = async (): Promise<boolean> => (await agent.ask("/readyz")) === "ok";

const ways = [
  {
    name: "killed and started again",
    async goAndComeBack() {
      await agent.stop("SIGKILL");
      agent.start();
    },
  },
  {
    name: `ended, away for ${awaySeconds} s, another build started`,
    async goAndComeBack() {
      await agent.stop("SIGTERM");
      await wait(awaySeconds * 1_000);
      agent.start({}, existsSync(otherBuild) ? { program: otherBuild } : {});
    },
  },
];

for (const { name, goAndComeBack } of ways)
  test(`${name}: no packet is lost, every flow stays as it is`, {
    timeout: patience(240_000 + awaySeconds * 1_000),
  }, async (context) => {
    const before = await flowStates(agent);
    const now = await whileItGoes(goAndComeBack, context);
    assert.deepEqual([...now.keys()].sort(), [...before.keys()].sort());
    for (const [key, { seconds, packets }] of before) {
      const later = now.get(key);
      assert.ok(later !== undefined && later.seconds >= seconds && later.packets >= packets, `made anew: ${key}`);
    }
  });

test("ended, a build started whose flows mean something else: no packet is lost, no flow of before is left", {
  timeout: patience(240_000),
}, async (context) => {
  const program = await movedLayout();
  const numbersBefore = tablesOf((await flowStates(agent)).keys());
  const now = await whileItGoes(async () => {
    await agent.stop("SIGTERM");
    agent.start({}, { program });
  }, context);
  const numbers = tablesOf(now.keys());
  assert.deepEqual(numbers.intersection(numbersBefore), new Set(["0"]));
  assert.ok(agent.logged.some(({ message }) => message === "packets take the new flows"));
});

test("flows of somebody else, as antrea (Go) has them: they forward until ours take their place, and no packet is lost", {
  timeout: patience(240_000),
}, async (context) => {
  const strangers = 7n;
  const now = await whileItGoes(async () => {
    await agent.stop("SIGTERM");
    // What is there means another thing by registers, and says no more that it is ours.
    const entry = (await ofctl(agent, "dump-flows", "--no-stats", "--no-names", `table=${entryTable}`))
      .split("\n")
      .filter((line) => line.includes("cookie="));
    const file = join(agent.runDir, "strangers.flows");
    await writeFile(
      file,
      entry.map((line) => `${line.replace(/cookie=0x[0-9a-f]+/, `cookie=0x${(strangers << 48n).toString(16)}`)}\n`).join(""),
    );
    await ofctl(agent, "add-flows", "--bundle", file);
    await agent.node.vsctl("set", "Bridge", "br-int", `external_ids:roundNum=${strangers}`);
    agent.start();
  }, context);
  const tables = createPipeline({ bank: besideStrangers }).tables.map(({ number }) => String(number));
  assert.deepEqual(tablesOf(now.keys()).difference(new Set(tables)), new Set());
  // It would remove ours before it makes its own, were it to come back.
  await agent.eventually(async () => !(await agent.node.vsctl("get", "Bridge", "br-int", "external_ids")).includes("roundNum"));
});

const tablesOf = (flows: Iterable<string>): Set<string> => new Set([...flows].map((flow) => /\btable=(\d+)/.exec(flow)?.[1] ?? "0"));

/** Asserts that packets of every kind arrive meanwhile; resolves with the flows that are there then. */
async function whileItGoes(goAndComeBack: () => Promise<void>, context: TestContext): Promise<Awaited<ReturnType<typeof flowStates>>> {
  const unreadBefore = await unreadPackets(agent.node.namespace);
  const load = await startLoad({
    from: sender.namespace,
    to: server.namespace,
    ways: server.addresses.map((target, family) => ({ target, service: virtual(7)[family] ?? "" })),
    packetsPerSecond,
  });
  context.after(() => load.kill());
  agent.logged.length = 0;
  await goAndComeBack();
  await agent.eventually(() => agent.logged.some(({ message }) => message === "following the controller"));
  await agent.eventually(isReady);
  const results = await load.stop();
  const unread = (await unreadPackets(agent.node.namespace)) - unreadBefore;
  const now = await flowStates(agent);
  const lost = results.reduce((sum, one) => sum + one.lost.stream + one.lost.connections, 0);
  for (const { stream, connections, tcp, service } of results)
    context.diagnostic(
      `${now.size} flows: ${stream} + ${connections} datagrams, ${tcp.sent} lines, ${service.answered} connections to the Service; ${lost} packets lost in all, ${unread} unread`,
    );
  assert.ok(lost <= unread, `${lost} packets lost, ${unread} of them not read by the switch for lack of processor time`);
  for (const { tcp, service } of results) {
    assert.deepEqual({ problem: tcp.problem, echoed: tcp.echoed }, { problem: undefined, echoed: tcp.sent });
    assert.deepEqual(service.problems, []);
    assert.ok(service.answered > 0);
  }
  return now;
}
