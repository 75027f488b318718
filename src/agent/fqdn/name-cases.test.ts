import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { encodeGroup, encodeNetworkPolicy, nothing, type RuleAction } from "#core/api/controlplane/index.ts";
import { createPipeline, type LocalPort, type RemoteNode } from "#core/pipeline/index.ts";
import { compilePacketInMeters, packetInCategories } from "#core/pipeline/packet-in/index.ts";
import { classIn, addressQuery, encodeMessage, framed, recordType } from "#lib/dns/index.ts";
import { type IpAddress, parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import { createMemorySwitch, memoryConnection, type MemoryConnection, type Processed } from "#lib/openflow/switch/index.ts";
import { decodeFrame, encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import { type Duration, milliseconds, seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { oneController } from "../controllers/replicas.ts";
import { createFlowPipeline } from "../flows/index.ts";
import { createFakeController } from "../policies/testing/fake-controller.ts";
import { createFqdnRules, followClusterDns } from "./index.ts";

// Cases E.4-144 to 147 of the sheet, and who serves DNS, as packets through the agent's flows on a switch in memory. Pods ask a DNS server, and connect to what
// it answered; where that is no pod, out of the cluster too.

const limit = { timeout: 240_000 };
const families = [4, 6] as const;
type Family = (typeof families)[number];
/** Out of the cluster. */
const farServer = { 4: parseAddress("203.0.113.53"), 6: parseAddress("2001:db8::53") } as const;
type Servers = Readonly<Record<Family, IpAddress>>;
const gateway = { name: "gw", ofport: 1, mac: parseMac("0a:00:00:00:00:01"), addresses: ["10.0.0.1", "fd00::1"].map(parseAddress) };
const pods = (["x", "y", "z", "web"] as const).map((name, index) => ({
  name,
  ofport: 2 + index,
  mac: parseMac(`0a:00:00:00:00:1${index}`),
  addresses: [`10.0.0.${10 + index}`, `fd00::${10 + index}`].map(parseAddress),
}));
type PodName = (typeof pods)[number]["name"];
type Verdict = "pass" | "drop" | "reject";

interface NamesRule {
  readonly names: readonly string[];
  readonly action: RuleAction;
  readonly of: readonly PodName[];
}

/** A node with the pods, under a policy of a tier whose rules are about names. */
async function start(
  rules: readonly NamesRule[],
  {
    minTtl = 0,
    trusts,
    serviceAt,
  }: {
    readonly minTtl?: Duration;
    readonly trusts?: (server: IpAddress) => boolean;
    readonly serviceAt?: (address: IpAddress) => string | undefined;
  } = {},
) {
  const runtime = virtualRuntime({ seed: 1 });
  const { clock } = runtime;
  const directory = await mkdtemp(join(tmpdir(), "antrea-names-"));
  const pipeline = createPipeline();
  const memory = createMemorySwitch({
    clock,
    random: runtime.random,
    ports: [gateway, ...pods].map(({ ofport, name }) => ({ number: ofport, name })),
  });
  const connections: MemoryConnection[] = [];
  const left: { readonly port: number; readonly frame: Uint8Array }[] = [];
  const handed: Processed["packetIns"][number][] = [];
  const took = (processed: Processed): void => {
    for (const { port, frame } of processed.outputs) left.push({ port: Number(port), frame });
    handed.push(...processed.packetIns);
  };
  const connect = () => {
    const connection = memoryConnection(memory, { clock, onSent: took });
    connections.push(connection);
    return Promise.resolve(connection);
  };
  const stop = new AbortController();
  const { signal } = stop;
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  const remoteNodes = createTable<RemoteNode>({ name: "nodes", key: ({ name }) => name });
  for (const { name, ofport, mac, addresses } of pods)
    ports.upsert({ interfaceName: name, podNamespace: name, podName: "a", containerId: name, ofport, mac, addresses });
  for (const table of [ports, remoteNodes]) table.initializer("test")();
  const fqdn = await createFqdnRules({
    runtime,
    pipeline,
    connect,
    ports,
    servers: () => [],
    minTtl,
    ...(trusts === undefined ? {} : { trusts }),
    serviceAt,
    whenAgentIsDown: "hold",
    metered: false,
    snapshotFile: join(directory, "fqdn.snapshot"),
    signal,
  });
  const controller = createFakeController();
  const flows = await createFlowPipeline({
    runtime,
    pipeline,
    connect,
    gateway,
    ports,
    remoteNodes,
    controllers: oneController(controller.client),
    node: "n1",
    snapshotFile: join(directory, "policies.snapshot"),
    meters: compilePacketInMeters(0),
    fqdn,
    signal,
  });
  const pass = async (time: Duration): Promise<void> => {
    for (let step = 0; step < time; step += 10) {
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      clock.advance(milliseconds(10));
    }
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await pass(milliseconds(10));
  };
  const resources = ["networkpolicies", "addressgroups", "appliedtogroups"] as const;
  await until(() => resources.every((resource) => controller.opened(resource) > 0));
  for (const { name } of pods)
    controller.send(
      "appliedtogroups",
      "ADDED",
      encodeGroup("appliedtogroups", { name, uid: name, members: [{ pod: { namespace: name, name: "a" }, ips: [], ports: [] }] }),
    );
  controller.send(
    "networkpolicies",
    "ADDED",
    encodeNetworkPolicy({
      name: "names",
      uid: "names",
      generation: 1,
      sourceRef: { type: "AntreaClusterNetworkPolicy", name: "names", uid: "names" },
      appliedToGroups: [],
      tierPriority: 250,
      priority: 1,
      rules: rules.map(({ names, action, of }, priority) => ({
        direction: "Out",
        peer: { ...nothing, fqdns: names },
        services: [],
        priority,
        action,
        enableLogging: false,
        name: `rule-${priority}`,
        appliedToGroups: of,
        l7Protocols: [],
      })),
    }),
  );
  for (const resource of resources) controller.bookmark(resource);
  const inSync = { yes: false };
  void flows.whenInSync().then(() => {
    inSync.yes = true;
  });
  const held = pipeline.table("DNSHold");
  await until(() => inSync.yes && fqdn.figures().packets.connected && memory.dumpFlows().some(({ table }) => table === held));

  const podOf = (name: PodName) => {
    const found = pods.find((pod) => pod.name === name);
    assert.ok(found !== undefined);
    return found;
  };
  /** What becomes of a packet; answers to a pod that the agent holds leave later. */
  const send = (
    inPort: number,
    between: Between,
    payload: TransportPacket,
  ): { readonly outputs: readonly number[]; readonly rejected: boolean } => {
    left.length = 0;
    handed.length = 0;
    const { source, destination, from, to } = between;
    const ip = { source: from, destination: to, payload };
    const frame = encodeFrame({
      source,
      destination,
      payload: from.family === 4 ? { kind: "ipv4", ttl: 64, ...ip } : { kind: "ipv6", hopLimit: 64, ...ip },
    });
    const processed = memory.process({ inPort, frame });
    took(processed);
    for (const connection of connections) connection.deliver(processed);
    return {
      outputs: left.map(({ port }) => port),
      rejected: handed.some(({ userdata }) => userdata?.[0] === packetInCategories.reject.number),
    };
  };
  let sourcePort = 20_000;
  const answerOf = (name: string, address: IpAddress, ttl: number): Uint8Array =>
    encodeMessage({
      id: 7,
      response: true,
      opcode: 0,
      rcode: 0,
      questions: [{ name, type: address.family === 4 ? recordType.a : recordType.aaaa, class: classIn }],
      answers: [{ kind: "address", name, class: classIn, ttl, address }],
    });
  return {
    pass,
    fqdn,
    /** A pod asks, and gets its answer; fails when it does not. */
    async resolve(
      pod: PodName,
      name: string,
      address: IpAddress,
      { ttl = 60, over = "udp" as "udp" | "tcp", from = farServer as Servers } = {},
    ): Promise<void> {
      const { ofport, mac, addresses } = podOf(pod);
      const family: Family = address.family;
      const own = addresses[family === 4 ? 0 : 1] as IpAddress;
      // A pod of this node, or whatever is behind the gateway.
      const asked = pods.find((each) => each.addresses.some((address) => address.equals(from[family]))) ?? gateway;
      const out = { source: mac, destination: asked.mac, from: own, to: from[family] };
      const back = { source: asked.mac, destination: mac, from: from[family], to: own };
      const port = sourcePort++;
      const query = encodeMessage(addressQuery({ id: 7, name, family, udpPayload: 1_232 }));
      const answer = answerOf(name, address, ttl);
      if (over === "udp") {
        assert.deepEqual(send(ofport, out, { kind: "udp", sourcePort: port, destinationPort: 53, payload: query }).outputs, [asked.ofport]);
        send(asked.ofport, back, { kind: "udp", sourcePort: 53, destinationPort: port, payload: answer });
      } else {
        const segment = { kind: "tcp", window: 1_000 } as const;
        const there = { ...segment, sourcePort: port, destinationPort: 53 };
        const here = { ...segment, sourcePort: 53, destinationPort: port };
        const no = new Uint8Array(0);
        send(ofport, out, { ...there, sequence: 100, acknowledgment: 0, flags: ["syn"], payload: no });
        send(asked.ofport, back, { ...here, sequence: 500, acknowledgment: 101, flags: ["syn", "ack"], payload: no });
        send(ofport, out, { ...there, sequence: 101, acknowledgment: 501, flags: ["ack"], payload: no });
        send(ofport, out, { ...there, sequence: 101, acknowledgment: 501, flags: ["psh", "ack"], payload: framed(query) });
        const bytes = framed(answer);
        const acknowledgment = 101 + framed(query).length;
        send(asked.ofport, back, { ...here, sequence: 501, acknowledgment, flags: ["ack"], payload: bytes.subarray(0, 9) });
        await pass(milliseconds(50));
        send(asked.ofport, back, { ...here, sequence: 510, acknowledgment, flags: ["psh", "ack"], payload: bytes.subarray(9) });
      }
      await pass(milliseconds(100));
      const arrived = left.filter((each) => each.port === ofport).map(({ frame }) => decodeFrame(frame)?.payload.kind);
      assert.deepEqual(arrived, [family === 4 ? "ipv4" : "ipv6"], `the answer for ${name} to ${pod}`);
    },
    /** What becomes of a new connection. */
    connect(pod: PodName, to: IpAddress): Verdict {
      const { ofport, mac, addresses } = podOf(pod);
      const target = pods.find((each) => each.addresses.some((address) => address.equals(to)));
      const { outputs, rejected } = send(
        ofport,
        { source: mac, destination: target?.mac ?? gateway.mac, from: addresses[to.family === 4 ? 0 : 1] as IpAddress, to },
        {
          kind: "tcp",
          sourcePort: sourcePort++,
          destinationPort: 80,
          sequence: 1,
          acknowledgment: 0,
          flags: ["syn"],
          window: 1_000,
          payload: new Uint8Array(0),
        },
      );
      if (outputs.includes(target?.ofport ?? gateway.ofport)) return "pass";
      return rejected ? "reject" : "drop";
    },
    async end() {
      stop.abort();
      await fqdn.close();
      await rm(directory, { recursive: true });
    },
  };
}

interface Between {
  readonly source: ReturnType<typeof parseMac>;
  readonly destination: ReturnType<typeof parseMac>;
  readonly from: IpAddress;
  readonly to: IpAddress;
}

const outside = (number: number, family: Family): IpAddress =>
  parseAddress(family === 4 ? `198.51.100.${number}` : `2001:db8:1::${number}`);

test("E.4-144 ACNPFQDNPolicy: names and patterns rejected and dropped, whatever their case; others pass", limit, async () => {
  const of = ["x", "y", "z"] as const;
  const world = await start([
    { of, names: ["*github.com"], action: "Reject" },
    { of, names: ["wayfair.com"], action: "Drop" },
    { of, names: ["Stackoverflow.com"], action: "Drop" },
  ]);
  const expected: readonly (readonly [name: string, verdict: Verdict])[] = [
    ["github.com", "reject"],
    ["docs.github.com", "reject"],
    ["api.github.com", "reject"],
    ["wayfair.com", "drop"],
    ["stackoverflow.com", "drop"],
    ["facebook.com", "pass"],
  ];
  for (const family of families)
    for (const [index, [name, verdict]] of expected.entries()) {
      const address = outside(index + 1, family);
      assert.equal(world.connect("x", address), "pass", "before anybody was told");
      await world.resolve("x", name, address);
      for (const pod of of) assert.equal(world.connect(pod, address), verdict, `${pod} to ${name}, IPv${family}`);
    }
  await world.end();
});

test("E.4-145 ACNPFQDNPolicyInCluster: the name of a headless Service means its pods; who is under no rule passes", limit, async () => {
  const names = ["svc.web.svc.cluster.local"];
  const world = await start([
    { of: ["y"], names, action: "Reject" },
    { of: ["z"], names, action: "Drop" },
  ]);
  const [web] = pods.filter(({ name }) => name === "web");
  for (const address of web?.addresses ?? []) {
    for (const pod of ["x", "y", "z"] as const) await world.resolve(pod, names[0] ?? "", address);
    assert.deepEqual(
      (["x", "y", "z"] as const).map((pod) => world.connect(pod, address)),
      ["pass", "reject", "drop"],
    );
  }
  await world.end();
});

test("E.4-146 ACNPFQDNPolicyTCP: an answer over TCP, in segments, counts like one over UDP", limit, async () => {
  const world = await start([{ of: ["x"], names: ["github.com"], action: "Drop" }]);
  for (const family of families) {
    await world.resolve("x", "github.com", outside(1, family), { over: "tcp" });
    assert.equal(world.connect("x", outside(1, family)), "drop");
    assert.equal(world.connect("x", outside(2, family)), "pass");
  }
  await world.end();
});

for (const [minTtl, still] of [
  [seconds(0), "pass"],
  [seconds(20), "drop"],
] as const)
  test(`E.4-147 FQDNCacheMinTTL ${minTtl / 1_000} s: a record that has another address when its time is over`, limit, async () => {
    const world = await start([{ of: ["x"], names: ["moving.test"], action: "Drop" }], { minTtl });
    for (const family of families) await world.resolve("x", "moving.test", outside(1, family), { ttl: 1 });
    await world.pass(seconds(5));
    for (const family of families) {
      await world.resolve("x", "moving.test", outside(2, family), { ttl: 1 });
      assert.equal(world.connect("x", outside(2, family)), "drop", "the new address");
      assert.equal(world.connect("x", outside(1, family)), still, "the old one");
    }
    if (minTtl > 0) {
      await world.pass(seconds(21));
      for (const family of families) {
        await world.resolve("x", "moving.test", outside(2, family), { ttl: 1 });
        assert.equal(world.connect("x", outside(1, family)), "pass", "the old one, 20 s later");
      }
    }
    await world.end();
  });

test(
  "whoever serves DNS is believed: NodeLocal cache, the node's own stack, servers out of the cluster, pods of a Service with port 53; another pod is not",
  limit,
  async () => {
    const slices = createTable<EndpointSlice>({ name: "slices", key: ({ metadata }) => metadata.name ?? "" });
    const addressesOf = (name: PodName): readonly IpAddress[] => pods.find((pod) => pod.name === name)?.addresses ?? [];
    for (const [index, address] of addressesOf("web").entries())
      slices.upsert({
        metadata: { namespace: "dns", name: `dns-${index}`, labels: { "kubernetes.io/service-name": "resolver" } },
        addressType: index === 0 ? "IPv4" : "IPv6",
        endpoints: [{ addresses: [String(address)] }],
        ports: [{ port: 53, protocol: "UDP" }],
      });
    slices.initializer("test")();
    const { trusts } = followClusterDns({
      override: "",
      services: createTable<Service>({ name: "services", key: ({ metadata }) => metadata.name ?? "" }),
      slices,
      podBlocks: () => ["10.0.0.0/24", "fd00::/64"].map(parsePrefix),
      systemServers: () => [],
    });
    const servers: readonly (readonly [what: string, addresses: Servers, believed: boolean])[] = [
      ["NodeLocal DNS cache", { 4: parseAddress("169.254.20.10"), 6: parseAddress("fd00:20::10") }, true],
      ["on the host network of a node", { 4: parseAddress("192.0.2.7"), 6: parseAddress("2001:db8:7::7") }, true],
      ["out of the cluster", farServer, true],
      ["a pod that serves", { 4: addressesOf("web")[0] as IpAddress, 6: addressesOf("web")[1] as IpAddress }, true],
      ["a pod that serves nothing", { 4: addressesOf("z")[0] as IpAddress, 6: addressesOf("z")[1] as IpAddress }, false],
    ];
    const world = await start([{ of: ["x"], names: ["*.test"], action: "Drop" }], { trusts });
    for (const family of families)
      for (const [index, [what, from, believed]] of servers.entries()) {
        const address = outside(index + 1, family);
        await world.resolve("x", `name-${index}.test`, address, { from });
        assert.equal(world.connect("x", address), believed ? "drop" : "pass", `${what}, IPv${family}`);
      }
    await world.end();
  },
);

test("a name that stands for a Service's address is told by name at the first answer", limit, async () => {
  const virtual = parseAddress("10.96.0.9");
  const world = await start([{ of: ["x"], names: ["web.shop.svc.cluster.local"], action: "Drop" }], {
    serviceAt: (address) => (address.equals(virtual) ? "shop/web" : undefined),
  });
  await world.resolve("x", "web.shop.svc.cluster.local", virtual);
  const [trouble, ...more] = world.fqdn.troubles();
  assert.equal(trouble?.name, "web.shop.svc.cluster.local");
  assert.match(trouble?.reason ?? "", /is the Service shop\/web, whose endpoints rules see/);
  assert.deepEqual(more, []);
  await world.end();
});
