import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createFqdnCache } from "#core/fqdn/index.ts";
import {
  type AnswerRecord,
  classIn,
  createMessageSplitter,
  type DnsMessage,
  decodeMessage,
  encodeMessage,
  framed,
} from "#lib/dns/index.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import type { EndpointSlice, Service } from "#lib/kube/index.ts";
import { seconds, seededRandom, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { createTable } from "#lib/table/index.ts";
import { followClusterDns } from "./cluster-dns.ts";
import { refreshNames } from "./refresh.ts";
import { createNameResolver } from "./resolver.ts";
import { findFqdnSnapshot, keepFqdnFile } from "./snapshot-file.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const never = new AbortController().signal;
const records = (name: string, ...addresses: string[]): AnswerRecord[] =>
  addresses.map((address) => ({ kind: "address", name, class: classIn, ttl: 60, address: parseAddress(address) }));

/** A server on a port of its own: `respond` gets the query and whether it came over UDP. */
async function serve(respond: (query: DnsMessage, udp: boolean) => readonly DnsMessage[]) {
  const read = (bytes: Uint8Array): DnsMessage => {
    const decoded = decodeMessage(bytes);
    assert.ok(decoded.ok);
    return decoded.message;
  };
  const tcp = createServer((socket) => {
    const splitter = createMessageSplitter();
    socket.on("data", (chunk: Uint8Array) => {
      for (const bytes of splitter.push(chunk))
        for (const answer of respond(read(bytes), false)) socket.write(framed(encodeMessage(answer)));
    });
  });
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address() as { port: number };
  const udp = createSocket("udp4");
  udp.on("message", (bytes, from) => {
    for (const answer of respond(read(bytes), true)) udp.send(encodeMessage(answer), from.port, from.address);
  });
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  return {
    server: { address: "127.0.0.1", port },
    [Symbol.dispose]() {
      udp.close();
      tcp.close();
    },
  };
}
const reply = (query: DnsMessage, parts: Partial<DnsMessage>): DnsMessage => ({ ...query, response: true, answers: [], ...parts });

test("a name is resolved; what answers another question is passed over, what is cut is asked for over TCP", async () => {
  using dns = await serve((query, udp) => [
    reply(query, { id: query.id ^ 1, answers: records("a.test", "10.0.0.66") }),
    reply(query, { questions: [{ name: "b.test", type: 1, class: 1 }], answers: records("b.test", "10.0.0.66") }),
    udp ? reply(query, { truncated: true }) : reply(query, { answers: records("a.test", "10.0.0.1", "10.0.0.2") }),
  ]);
  const resolver = createNameResolver({ runtime, servers: () => [dns.server] });
  const answer = await resolver.resolve("A.test", 4, never);
  assert.deepEqual([answer.name, answer.addresses.map(({ address }) => String(address))], ["a.test", ["10.0.0.1", "10.0.0.2"]]);
});

test("the next server is asked when one fails, and without any the name is not resolved", async () => {
  using broken = await serve((query) => [reply(query, { rcode: 2 })]);
  using whole = await serve((query) => [reply(query, { answers: records("a.test", "10.0.0.1") })]);
  const answer = await createNameResolver({ runtime, servers: () => [broken.server, whole.server] }).resolve("a.test", 4, never);
  assert.equal(answer.addresses.length, 1);
  await assert.rejects(createNameResolver({ runtime, servers: () => [broken.server] }).resolve("a.test", 4, never), {
    code: "NO_DNS_ANSWER",
  });
  await assert.rejects(createNameResolver({ runtime, servers: () => [] }).resolve("a.test", 4, never), { code: "NO_DNS_ANSWER" });
});

test("a server that answers none of several questions is told, for as long as it is asked", async () => {
  using dns = await serve((query) =>
    query.questions[0]?.name === "a.test" ? [reply(query, { answers: records("a.test", "10.0.0.1") })] : [],
  );
  const clock = virtualClock();
  const servers = [dns.server];
  const resolver = createNameResolver({ runtime: { ...runtime, clock }, servers: () => servers });
  const asked: { over: boolean } = { over: false };
  const failing = resolver.resolve("silent.test", 4, never).finally(() => {
    asked.over = true;
  });
  failing.catch(() => {});
  assert.deepEqual(resolver.silent(), []);
  while (!asked.over) {
    await new Promise(setImmediate);
    clock.advance(seconds(1));
  }
  assert.deepEqual(
    resolver.silent().map(({ server, reason }) => [server.port, reason]),
    [[dns.server.port, "no answer"]],
  );
  await resolver.resolve("a.test", 4, never);
  assert.deepEqual(resolver.silent(), []);
});

test("names of rules are asked for at once and before they expire; a failure leaves what is known", async () => {
  const clock = virtualClock();
  const cache = createFqdnCache();
  let fails = false;
  const asked: string[] = [];
  const stop = new AbortController();
  const refresh = refreshNames({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    cache,
    resolver: {
      async resolve(name, family) {
        asked.push(`${name} ${family} ${clock.monotonic() / 1_000}`);
        if (fails) throw new Error("no");
        return { name, families: [family], addresses: family === 4 ? [{ address: parseAddress("10.0.0.1"), ttl: 10 }] : [] };
      },
    },
    apply: () => {},
    used: { has: () => false, look: async () => {} },
    signal: stop.signal,
  });
  cache.setSet("s", { patterns: ["a.test"], denies: false }, clock.wall());
  refresh.poke();
  const pass = async (duration: number): Promise<void> => {
    for (const end = clock.monotonic() + duration; clock.monotonic() < end; ) {
      for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
      clock.advance(500);
    }
  };
  await pass(seconds(12));
  assert.deepEqual(asked, ["a.test 4 0", "a.test 6 0", "a.test 4 9", "a.test 6 9"]);
  fails = true;
  await pass(seconds(30));
  assert.equal(cache.members("s").length, 1);
  assert.ok(refresh.figures().failed >= 2);
  stop.abort();
});

test("the file has what was known at the end; one that is damaged is told and left", async () => {
  const directory = await mkdtemp(join(tmpdir(), "fqdn-"));
  try {
    const file = join(directory, "names");
    const cache = createFqdnCache();
    cache.setSet("s", { patterns: ["*.test"], denies: false }, 0);
    const kept = keepFqdnFile({ runtime, file, snapshot: () => cache.snapshot(), signal: never });
    assert.equal(await findFqdnSnapshot(file, runtime), undefined);
    cache.learn(
      { name: "a.test", families: [4], addresses: [{ address: parseAddress("10.0.0.1"), ttl: 5 }] },
      { from: { by: "agent" }, now: 0 },
    );
    kept.touch();
    await kept.flush();
    assert.deepEqual(await findFqdnSnapshot(file, runtime), cache.snapshot());
    await writeFile(file, "antrea-fqdn-snapshot/1 0\n[]\n");
    assert.equal(await findFqdnSnapshot(file, runtime), undefined);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("the cluster's DNS: what is configured, else the Service's endpoints and address, else the node's own; pods that serve nothing are not believed", () => {
  const services = createTable<Service>({ name: "services", key: ({ metadata }) => `${metadata.namespace}/${metadata.name}` });
  const slices = createTable<EndpointSlice>({ name: "slices", key: ({ metadata }) => `${metadata.namespace}/${metadata.name}` });
  const follow = (override: string) =>
    followClusterDns({
      override,
      services,
      slices,
      podBlocks: () => ["10.10.0.0/16", "fd00:10::/32"].map(parsePrefix),
      systemServers: () => ["192.0.2.1", "[fd00::53]:54"],
    });
  const dns = follow("");
  assert.equal(dns.trusts(parseAddress("10.10.1.4")), true, "nothing is known of endpoints so far");
  slices.initializer("test")();
  assert.deepEqual(dns.servers(), [
    { address: "192.0.2.1", port: 53 },
    { address: "fd00::53", port: 54 },
  ]);
  const metadata = { namespace: "kube-system", name: "kube-dns" };
  services.upsert({ metadata, spec: { clusterIPs: ["10.96.0.10"] } } as unknown as Service);
  slices.upsert({
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "kube-dns" } },
    addressType: "IPv4",
    ports: [{ port: 53, protocol: "UDP" }],
    endpoints: [{ addresses: ["10.10.1.2"] }, { addresses: ["10.10.1.3"], conditions: { ready: false } }],
  } as unknown as EndpointSlice);
  assert.deepEqual(
    dns.servers().map(({ address }) => address),
    ["10.10.1.2", "10.96.0.10"],
  );
  assert.deepEqual(follow("10.0.0.9:5353").servers(), [{ address: "10.0.0.9", port: 5_353 }]);
  assert.deepEqual(follow("fd00::9").servers(), [{ address: "fd00::9", port: 53 }]);
  const [nodeLocal, hostNetwork] = ["169.254.20.10", "192.168.0.7"];
  const believed = ["10.10.1.2", "10.10.1.3", "10.10.1.4", "10.96.0.10", "8.8.8.8", "fd00:10::1", nodeLocal, hostNetwork].filter((text) =>
    dns.trusts(parseAddress(text)),
  );
  assert.deepEqual(believed, ["10.10.1.2", "10.10.1.3", "10.96.0.10", "8.8.8.8", nodeLocal, hostNetwork]);
  // As Kubernetes writes a Service without endpoints.
  slices.upsert({
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "kube-dns" } },
    addressType: "IPv4",
    ports: null,
    endpoints: null,
  } as EndpointSlice);
  assert.equal(dns.trusts(parseAddress("10.10.1.2")), false);
  assert.deepEqual(dns.servers(), [{ address: "10.96.0.10", port: 53 }]);
  slices.delete("kube-system/kube-dns");
  assert.equal(dns.trusts(parseAddress("10.10.1.2")), false);
});
