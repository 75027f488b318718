import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";
import fc from "fast-check";
import { addressQuery, classIn, createMessageSplitter, decodeMessage, encodeMessage, framed, recordType } from "#lib/dns/index.ts";
import { type EndpointSlice, type KubeObject, keyOf, type Service } from "#lib/kube/index.ts";
import { createTable } from "#lib/table/table.ts";
import { dig } from "../images/agnhost/dig.ts";
import { clusterNames, serviceIndexes, sliceIndexes } from "./cluster-names.ts";
import { createForwarder } from "./forward.ts";
import { respond } from "./respond.ts";
import { type DnsServer, serveDns } from "./serve.ts";
import { parseZone } from "./zone.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// Services of namespace shop: web 10.96.0.80 and fd00:96::80, db without an address of its own, away elsewhere, loop to itself by the zone.

const services = createTable<Service>({ name: "services", key: keyOf, indexes: serviceIndexes });
const slices = createTable<EndpointSlice>({ name: "slices", key: keyOf, indexes: sliceIndexes });
const namespaces = createTable<KubeObject>({ name: "namespaces", key: keyOf });
namespaces.upsert({ metadata: { name: "shop" } });
const service = (name: string, spec: NonNullable<Service["spec"]>): boolean =>
  services.upsert({ metadata: { name, namespace: "shop" }, spec });
service("web", {
  clusterIPs: ["10.96.0.80", "fd00:96::80"],
  ports: [
    { name: "http", port: 80 },
    { name: "dns", protocol: "UDP", port: 53 },
  ],
});
service("db", { clusterIP: "None", clusterIPs: ["None"], ports: [{ name: "sql", port: 5432 }] });
service("away", { type: "ExternalName", externalName: "www.example.test." });
service("big", { clusterIP: "None", clusterIPs: ["None"] });
slices.upsert({
  metadata: { name: "db-1", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
  addressType: "IPv4",
  endpoints: [
    { addresses: ["10.10.0.1"], hostname: "first", conditions: { ready: true } },
    { addresses: ["10.10.0.2"], conditions: {} },
    { addresses: ["10.10.0.3"], conditions: { ready: false } },
  ],
  ports: [{ name: "sql", port: 5432, protocol: "TCP" }],
});
slices.upsert({
  metadata: { name: "big-1", namespace: "shop", labels: { "kubernetes.io/service-name": "big" } },
  addressType: "IPv4",
  endpoints: Array.from({ length: 200 }, (_, index) => ({ addresses: [`10.20.0.${index + 1}`] })),
});
// What a real API server says of a slice that lists nobody.
const nobody = JSON.parse(
  '{"metadata":{"name":"db-2","namespace":"shop","labels":{"kubernetes.io/service-name":"db"}},"endpoints":null,"ports":null}',
);
slices.upsert(nobody as EndpointSlice);
const zone = parseZone("www.example.test A 192.0.2.1\nwww.example.test AAAA 2001:db8::1\nround.test CNAME round.test ; for ever\nnonsense");
const cluster = clusterNames({ namespaces, services, slices }, "cluster.local");
const responder = {
  lookup: (name: string) => cluster(name) ?? zone.lookup(name),
  owns: (name: string) => name.endsWith("cluster.local"),
  forwards: false,
};

const open: DnsServer[] = [];
after(() => {
  for (const server of open) server.close();
});
async function client(
  options: Partial<Parameters<typeof serveDns>[0]> = {},
): Promise<{ readonly resolver: Resolver; readonly port: number }> {
  const server = await serveDns({ port: 0, responder, ...options });
  open.push(server);
  const resolver = new Resolver({ timeout: amplePatience, tries: 1 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  return { resolver, port: server.port };
}
const { resolver, port } = await client();
const inShop = (name: string): string => `${name}.shop.svc.cluster.local`;

test("a Service has its own addresses, one without has those of its ready endpoints", async () => {
  assert.deepEqual(await resolver.resolve4(inShop("web")), ["10.96.0.80"]);
  assert.deepEqual(await resolver.resolve6(inShop("WEB")), ["fd00:96::80"]);
  assert.deepEqual((await resolver.resolve4(inShop("db"))).sort(), ["10.10.0.1", "10.10.0.2"]);
  assert.deepEqual(await resolver.resolve4(inShop("first.db")), ["10.10.0.1"]);
  assert.deepEqual(await resolver.resolve4(inShop("10-10-0-2.db")), ["10.10.0.2"]);
});

test("ports are found by name and protocol", async () => {
  const [record] = await resolver.resolveSrv(inShop("_http._tcp.web"));
  assert.deepEqual([record?.name, record?.port, record?.weight], [inShop("web"), 80, 100]);
  assert.deepEqual((await resolver.resolveSrv(inShop("_sql._tcp.db"))).map(({ name, port: number }) => `${name}:${number}`).sort(), [
    `${inShop("10-10-0-2.db")}:5432`,
    `${inShop("first.db")}:5432`,
  ]);
  await assert.rejects(resolver.resolveSrv(inShop("_http._udp.web")), { code: "ENOTFOUND" });
});

test("addresses have names, pods are found by address, and the scheme has a version", async () => {
  assert.deepEqual(await resolver.reverse("10.96.0.80"), [inShop("web")]);
  assert.deepEqual(await resolver.reverse("fd00:96::80"), [inShop("web")]);
  assert.deepEqual(await resolver.reverse("10.10.0.1"), [inShop("first.db")]);
  await assert.rejects(resolver.reverse("10.10.0.3"), { code: "ENOTFOUND" });
  assert.deepEqual(await resolver.resolve4("10-1-2-3.shop.pod.cluster.local"), ["10.1.2.3"]);
  assert.deepEqual(await resolver.resolveTxt("dns-version.cluster.local"), [["1.1.0"]]);
});

test("an alias leads on, out of the cluster into the zone; a loop has an end", async () => {
  assert.deepEqual(await resolver.resolve4(inShop("away")), ["192.0.2.1"]);
  assert.deepEqual(await resolver.resolveCname(inShop("away")), ["www.example.test"]);
  await assert.rejects(resolver.resolve4("round.test"), { code: "ESERVFAIL" });
});

test("what is not there is told apart from what has no such record", async () => {
  for (const name of [inShop("none"), "web.none.svc.cluster.local", inShop("a.b.c.web"), "other.test", inShop("10-9-9-9.db")])
    await assert.rejects(resolver.resolve4(name), { code: "ENOTFOUND" }, name);
  for (const name of ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", inShop("_tcp.web"), "example.test"])
    await assert.rejects(resolver.resolve4(name), { code: "ENODATA" }, name);
  assert.deepEqual(zone.problems, ["line 4: not NAME A|AAAA|CNAME|TXT DATA"]);
});

test("what does not fit a datagram is cut, says so, and is whole over TCP", async () => {
  const ask = (udpPayload: number): Uint8Array => encodeMessage(addressQuery({ id: 7, name: inShop("big"), family: 4, udpPayload }));
  for (const [udpPayload, limit] of [
    [100, 512],
    [800, 800],
    [9_000, 1_232],
  ] as const) {
    const response = respond(ask(udpPayload), "udp", responder);
    assert.ok(typeof response === "object" && response.bytes.length <= limit, `${udpPayload}`);
    const decoded = decodeMessage(response.bytes);
    assert.ok(decoded.ok && decoded.message.truncated === true && decoded.message.answers.length > 0);
  }
  assert.equal((await resolver.resolve4(inShop("big"))).length, 200);
});

test("several questions over one connection, in pieces, are all answered", async () => {
  const socket = connect({ host: "127.0.0.1", port });
  const questions = [1, 2, 3].map((id) => framed(encodeMessage(addressQuery({ id, name: inShop("web"), family: 4, udpPayload: 512 }))));
  const bytes = Buffer.concat(questions);
  socket.write(bytes.subarray(0, 11));
  await once(socket, "connect");
  socket.write(bytes.subarray(11));
  const splitter = createMessageSplitter();
  const ids: number[] = [];
  for await (const chunk of socket) {
    for (const message of splitter.push(chunk as Buffer)) {
      const decoded = decodeMessage(message);
      if (decoded.ok) ids.push(decoded.message.id);
    }
    if (ids.length === 3) break;
  }
  assert.deepEqual(ids.sort(), [1, 2, 3]);
});

test("the test image's dig prints what it is asked for", async () => {
  const printed = async (...args: readonly string[]): Promise<string[]> => {
    const lines: string[] = [];
    assert.equal(await dig(["@127.0.0.1", "-p", String(port), ...args], (line) => lines.push(line)), 0);
    return lines;
  };
  assert.deepEqual(await printed("+noall", "+answer", inShop("web"), "AAAA"), [`${inShop("web")}.\t5\tIN\tAAAA\tfd00:96::80`]);
  assert.deepEqual(await printed("+tcp", "+short", `${inShop("_http._tcp.web")}.`, "SRV"), [`0 100 80 ${inShop("web")}.`]);
  assert.deepEqual(await printed("+short", "-x", "fd00:96::80"), [`${inShop("web")}.`]);
  assert.deepEqual(await printed("+short", "TXT", "dns-version.cluster.local"), ['"1.1.0"']);
  assert.deepEqual(await printed(inShop("none")), []);
  assert.equal((await printed("+short", inShop("big"))).length, 200);
});

test("names of others go to their servers; without an answer the client hears of a failure", async () => {
  const upstream = createSocket("udp4").bind(0, "127.0.0.1");
  await once(upstream, "listening");
  const { resolver: asking } = await client({
    responder: { ...responder, forwards: true },
    forwarder: createForwarder({ servers: ["127.0.0.1"], port: upstream.address().port }),
  });
  upstream.on("message", (request, from) => {
    const decoded = decodeMessage(request);
    if (!decoded.ok) return;
    const { message } = decoded;
    upstream.send(encodeMessage({ ...message, response: true, rcode: 5 }), from.port, from.address);
  });
  await assert.rejects(asking.resolve4("other.test"), { code: "EREFUSED" });
  await assert.rejects(asking.resolve4(inShop("none")), { code: "ENOTFOUND" });
  upstream.close();
  await once(upstream, "close");
  await assert.rejects(asking.resolve4("other.test"), { code: "ESERVFAIL" });
});

test("what is no ordinary question is refused by its kind, and no answer is answered", () => {
  const question = { name: inShop("web"), type: recordType.a, class: classIn };
  const base = { id: 1, response: false, opcode: 0, rcode: 0, questions: [question], answers: [] };
  const rcodeOf = (message: Parameters<typeof encodeMessage>[0]): number | string => {
    const response = respond(encodeMessage(message), "udp", responder);
    if (typeof response === "string") return response;
    const decoded = decodeMessage(response.bytes);
    return decoded.ok ? decoded.message.rcode : decoded.reason;
  };
  assert.equal(rcodeOf(base), 0);
  assert.equal(rcodeOf({ ...base, opcode: 5 }), 4);
  assert.equal(rcodeOf({ ...base, questions: [] }), 1);
  assert.equal(rcodeOf({ ...base, questions: [{ ...question, class: 3 }] }), 5);
  assert.equal(rcodeOf({ ...base, edns: { udpPayload: 512, version: 1 } }), 16);
  assert.equal(rcodeOf({ ...base, response: true }), "silence");
});

test("any bytes are answered or passed over", () => {
  const valid = encodeMessage(addressQuery({ id: 1, name: inShop("web"), family: 4, udpPayload: 512 }));
  const damaged = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }).map((faults) => {
    const bytes = valid.slice();
    for (const [at, value] of faults) bytes[at] = value;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 60 }), damaged),
      fc.constantFrom("udp" as const, "tcp" as const),
      (bytes, transport) => {
        const response = respond(bytes, transport, responder);
        if (typeof response === "object") assert.deepEqual([...response.bytes.subarray(0, 2)], [...bytes.subarray(0, 2)]);
      },
    ),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.string(), (text) => void parseZone(text)));
});
