import { tlsLimits } from "#lib/apiserver/tls-limits.ts";
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import type { Group, NetworkPolicy } from "#core/api/controlplane/index.ts";
import { parseAddress, parseMac, parsePrefix } from "#lib/ip/index.ts";
import { createLoopbackToken, loopbackCaFile, loopbackTokenFile } from "#lib/daemon/index.ts";
import { createLogger, silentLogger, systemRandom, systemRuntime } from "#lib/runtime/index.ts";
import { profilePaths } from "#lib/profiling/index.ts";
import { createKubeClient } from "#lib/kube/index.ts";
import { createTable } from "#lib/table/index.ts";
import type { PodInterface } from "../ovs/local-ports.ts";
import { policy as policyOf } from "../testing/policies.ts";
import { clusterJudge } from "./cluster-judge.ts";
import { probeRoutes, profileRoutes, viewRoutes } from "./routes.ts";
import { serveApi } from "./server.ts";
import type { AgentView } from "./view.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const stopping = new AbortController();
const missing: string[] = [];
let runDir: string;
let port: number;
let token: string;
let ca: string;

const policy = (name: string, sourceName: string): NetworkPolicy =>
  policyOf(name, {
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: sourceName, uid: name },
    appliedToGroups: ["web-group"],
  });
const group: Group = { name: "web-group", uid: "web-group", members: [{ pod: { namespace: "shop", name: "web" }, ips: [], ports: [] }] };
const podInterfaces = createTable<PodInterface>({
  name: "pods",
  key: ({ interfaceName }) => interfaceName,
  indexes: { pod: (row) => [`${row.podNamespace}/${row.podName}`] },
});
podInterfaces.upsert({
  interfaceName: "web-1",
  ofport: 5,
  mac: parseMac("aa:00:00:00:00:05"),
  addresses: [parseAddress("10.0.0.5"), parseAddress("fd00::5")],
  podNamespace: "shop",
  podName: "web",
  containerId: "c5",
  portUuid: "u5",
  podInterface: "eth0",
  netns: "/n",
});
const flows = [
  { table: 0, text: "table=Root, priority=200,in_port=5 actions=drop" },
  { table: 0, text: "table=Root, priority=200,in_port=55 actions=drop" },
  { table: 1, text: "table=Out, priority=200,reg1=0x5 actions=drop" },
  { table: 1, text: "table=Out, priority=200,ip,nw_dst=10.0.0.5 actions=output:7" },
  { table: 1, text: "table=Out, priority=200,ip,nw_dst=10.0.0.50 actions=output:7" },
];
const logger = createLogger({ clock: runtime.clock, write: () => {} });
const view: AgentView = {
  version: "v0",
  node: { name: "node-a", uid: undefined, podCIDRs: [parsePrefix("10.0.0.0/24")], addresses: [parseAddress("192.0.2.1")] },
  pod: undefined,
  bridge: "br-int",
  apiPort: 10350,
  transport: { interfaceName: "eth0", mtu: 1_500, addresses: [parseAddress("192.0.2.1")], subnets: [], announced: false },
  podMtu: 1_450,
  gates: [{ name: "AntreaProxy", enabled: true, stage: "GA" }],
  podInterfaces,
  policies: {
    networkPolicies: () => [policy("p1", "default-deny"), policy("p2", "other")],
    addressGroups: () => [],
    appliedToGroups: () => [group],
  },
  fqdn: {
    neverSeen: () => [],
    rows: (domain) =>
      domain === "nothing.test"
        ? []
        : [
            {
              name: "a.test",
              addresses: [
                {
                  address: parseAddress("10.9.0.1"),
                  expires: Date.UTC(2026, 0, 1, 0, 0, 30),
                  learned: { by: "pod", pod: "shop/web", server: "10.96.0.10", at: Date.UTC(2026, 0, 1), ttl: 30 },
                },
              ],
            },
          ],
  },
  switch: {
    version: () => Promise.resolve("3.1.0"),
    tableNames: new Map([
      [0, "Root"],
      [1, "Out"],
      [2, "ServiceLB"],
    ]),
    dump: (table) => Promise.resolve(flows.filter((flow) => table === undefined || flow.table === table)),
    counts: () =>
      Promise.resolve(
        new Map([
          [0, 2],
          [1, 2],
        ]),
      ),
    ofService: (service) => Promise.resolve(service === "shop/web" ? [{ table: 1, text: `service ${service}` }] : undefined),
    groups: (ids) => Promise.resolve(ids?.map((id) => `group_id=${id}`) ?? ["all groups"]),
    ofPolicy: (uid) => Promise.resolve([{ table: 0, text: `policy ${uid}` }]),
  },
  policyEncoding: () => ({ In: { rounds: 1 } }),
  health: () => [{ type: "AgentHealthy", up: true }],
  unrealized: () => [{ target: "flow", row: "table=3 actions=drop", reason: "OFPFMFC_TABLE_FULL" }],
  now: () => new Date(0),
  logger,
};

const client = createKubeClient({
  config: { server: "http://api" },
  transport: {
    server: "http://api",
    close: () => {},
    send: ({ path, body = "" }) =>
      Promise.resolve({ status: 201, headers: {}, body: Readable.from([Buffer.from(reviewed(path, body))]) as IncomingMessage }),
  },
});
const judge = clusterJudge({ client, clock: runtime.clock });

/** A cluster that knows the tokens "admin" and "guest", of which the first may read everything. */
function reviewed(path: string, body: string): string {
  const { spec } = JSON.parse(body) as { spec: { token?: string; user?: string } };
  if (path.includes("tokenreviews")) {
    const known = spec.token === "admin" || spec.token === "guest";
    return JSON.stringify({ spec, status: { authenticated: known, ...(known ? { user: { username: spec.token } } : {}) } });
  }
  return JSON.stringify({ spec, status: { allowed: spec.user === "admin" } });
}

before(async () => {
  runDir = await mkdtemp(join(tmpdir(), "agent-api-"));
  const secret = createLoopbackToken({ runDir, random: systemRandom });
  const routes = {
    ...probeRoutes({ alive: () => [], ready: () => missing }),
    ...profileRoutes(profilePaths(runtime)),
    ...viewRoutes(view),
  };
  const served = await serveApi({
    runtime,
    port: 0,
    limits: tlsLimits({ minVersion: "", cipherSuites: "" }),
    hosts: ["node-a"],
    token: secret,
    judge,
    routes: () => routes,
    signal: stopping.signal,
  });
  port = served.port;
  await secret.publish({ authority: served.certificate });
  token = await readFile(loopbackTokenFile(runDir), "utf8");
  ca = await readFile(loopbackCaFile(runDir), "utf8");
});
after(async () => {
  stopping.abort();
  await rm(runDir, { recursive: true });
});

function get(path: string, options: { readonly token?: string; readonly method?: string } = {}): Promise<{ status: number; body: string }> {
  const authorization = options.token ?? token;
  return new Promise((resolve, reject) => {
    const headers = authorization === "" ? {} : { authorization: `Bearer ${authorization}` };
    const asked = request(
      { host: "127.0.0.1", servername: "node-a", port, path, ca, headers, method: options.method ?? "GET" },
      (answer) => {
        let body = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          body += chunk;
        });
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}
const json = async (path: string): Promise<unknown> => JSON.parse((await get(path)).body);

test("only who can read the token file, or whom the cluster allows, may ask; probes need no token", async () => {
  assert.equal((await stat(loopbackTokenFile(runDir))).mode & 0o777, 0o600);
  assert.equal((await get("/agentinfo", { token: "" })).status, 401);
  assert.equal((await get("/agentinfo", { token: `${token}x` })).status, 401);
  assert.equal((await get("/agentinfo", { token: "admin" })).status, 200);
  assert.equal((await get("/agentinfo", { token: "guest" })).status, 403);
  assert.equal((await get("/agentinfo", { method: "DELETE" })).status, 405);
  assert.deepEqual(await get("/constructor"), { status: 404, body: "/constructor is not served by this agent\n" });
  assert.deepEqual(await get("/livez", { token: "" }), { status: 200, body: "ok\n" });
  missing.push("flows");
  assert.deepEqual(await get("/readyz", { token: "" }), { status: 503, body: "not ready: flows\n" });
  missing.pop();
  assert.equal((await get("/readyz", { token: "" })).status, 200);
});

test("names of rules with their addresses, and where they come from", async () => {
  assert.deepEqual(await json("/fqdncache"), [
    {
      fqdnName: "a.test",
      ipAddress: "10.9.0.1",
      expirationTime: "2026-01-01T00:00:30.000Z",
      learnedTime: "2026-01-01T00:00:00.000Z",
      ttlSeconds: 30,
      pod: "shop/web",
      server: "10.96.0.10",
    },
  ]);
  assert.deepEqual(await json("/fqdncache?domain=nothing.test"), []);
});

test("pod interfaces, policies and groups by their filters", async () => {
  assert.deepEqual(await json("/podinterfaces?name=web&namespace=shop"), [
    {
      name: "web",
      podNamespace: "shop",
      interfaceName: "web-1",
      ips: ["10.0.0.5", "fd00::5"],
      mac: "aa:00:00:00:00:05",
      portUUID: "u5",
      ofPort: 5,
      containerID: "c5",
    },
  ]);
  assert.deepEqual(await json("/podinterfaces?namespace=other"), []);
  assert.equal((await get("/podinterfaces?name=web&namespace=other")).status, 404);
  const names = async (query: string) =>
    ((await json(`/networkpolicies?${query}`)) as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
  assert.deepEqual(await names(""), ["p1", "p2"]);
  assert.deepEqual(await names("source=other&namespace=shop"), ["p2"]);
  assert.deepEqual(await names("pod=shop/web&type=k8snp"), ["p1", "p2"]);
  assert.deepEqual(await names("pod=shop/db"), []);
  assert.equal((await get("/networkpolicies?name=p1&source=x")).status, 400);
  assert.equal((await get("/networkpolicies?pod=shop/web&namespace=shop")).status, 400);
  assert.equal((await get("/networkpolicies?name=gone")).status, 404);
  assert.equal((await get("/addressgroups?name=gone")).status, 404);
});

test("flows: all, by table, by pod, by policy", async () => {
  const flowsOf = async (query: string) => ((await json(`/ovsflows?${query}`)) as { flow: string }[]).map(({ flow }) => flow);
  assert.equal((await flowsOf("")).length, 5);
  assert.deepEqual(await flowsOf("table-names-only"), ["Root", "Out", "ServiceLB"]);
  assert.deepEqual(await flowsOf("table=out"), [flows[2]?.text, flows[3]?.text, flows[4]?.text]);
  assert.deepEqual(await flowsOf("pod=web&namespace=shop"), [flows[0]?.text, flows[2]?.text, flows[3]?.text]);
  assert.deepEqual(await flowsOf("networkpolicy=other&namespace=shop"), ["policy p2"]);
  assert.deepEqual(await flowsOf("service=web&namespace=shop"), ["service shop/web"]);
  assert.deepEqual(await flowsOf("groups=all"), ["all groups"]);
  assert.deepEqual(await flowsOf("groups=7,4294967040"), ["group_id=7", "group_id=4294967040"]);
  const refused = async (query: string) => {
    const { status, body } = await get(`/ovsflows?${query}`);
    return `${status} ${body.trim()}`;
  };
  assert.equal(await refused("pod=web"), "400 namespace must be provided");
  assert.equal(await refused("table=Nowhere"), "400 invalid table name or number: Nowhere; table-names-only lists them");
  assert.equal(await refused("service=gone&namespace=shop"), "404 Service shop/gone is not served on this Node");
  assert.equal(await refused("groups=7,x"), "400 invalid group ID: x");
  assert.equal(await refused("pod=web&table=0"), "400 unsupported parameter combination");
  assert.equal(await refused("pod=gone&namespace=shop"), "404 pod shop/gone is not on this Node");
});

test("agent info and log level", async () => {
  const { ovsInfo, networkPolicyControllerInfo, localPodNum } = (await json("/agentinfo")) as Record<string, unknown>;
  assert.deepEqual(ovsInfo, { version: "3.1.0", bridgeName: "br-int", flowTable: { 0: 2, 1: 2, 2: 0 } });
  assert.deepEqual(networkPolicyControllerInfo, { networkPolicyNum: 2, addressGroupNum: 0, appliedToGroupNum: 1 });
  assert.equal(localPodNum, 1);
  assert.equal(await json("/loglevel?level=4"), 4);
  assert.equal(logger.level, "debug");
  assert.equal((await get("/loglevel?level=loud")).status, 400);
  assert.equal((await get("/debug/pprof/heap?seconds=0")).status, 400);
});

test("a port in use is named with the way out", async () => {
  const other = createLoopbackToken({ runDir, random: systemRandom });
  const again = serveApi({
    runtime,
    port,
    limits: tlsLimits({ minVersion: "", cipherSuites: "" }),
    hosts: [],
    token: other,
    judge,
    routes: () => ({}),
    signal: stopping.signal,
  });
  await assert.rejects(again, { code: "API_PORT", message: /another process listens on it; set apiPort/ });
});
