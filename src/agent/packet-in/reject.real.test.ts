import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { flow, ipDestination, whenRegisters } from "#core/pipeline/flow-builder.ts";
import { createGroupLedger } from "#core/pipeline/group-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  cookie,
  createPipeline,
  type LocalPort,
  portKind,
} from "#core/pipeline/index.ts";
import { compilePacketInMeters, toController } from "#core/pipeline/packet-in/index.ts";
import { createServiceCompiler, createServiceNumbers } from "#core/pipeline/service/index.ts";
import { parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { createTable } from "#lib/table/index.ts";
import { createPacketNode, type PacketNode } from "../flows/testing/packet-node.ts";
import { type AskFrom, startPodProgram } from "../services/testing/pod-answers.ts";
import { answerRejected, type PacketInFigures } from "./index.ts";

// Two nodes with a Geneve tunnel between them, real pods with real sockets. What rejects is flows made by hand:
//   node 1 (10.10.1.0/24): client .2, local .3      node 2 (10.10.2.0/24): remote .2, open .3
//   client → local: rejected when it leaves the client; client → remote: rejected when it reaches remote; client → open: let through
//   Service 10.96.0.10:80 → local, 10.96.0.20:80 → remote, 10.96.0.30:80 → open
const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
const pipeline = createPipeline();
const limit = { timeout: 240_000 };
const rejections = 300;
const tunnel = { ofport: 32_768 };
const stop = new AbortController();
const metered = toController("reject", { metered: true });

interface TestNode {
  readonly node: PacketNode;
  readonly number: number;
  readonly rejected: () => PacketInFigures;
}
const nodes: TestNode[] = [];
const asks = new Map<string, AskFrom>();

before(async () => {
  const made = await Promise.all([
    createPacketNode("reject1", ["client", "local"], { subnet: 1 }),
    createPacketNode("reject2", ["remote", "open"], { subnet: 2 }),
  ]);
  await connectNodes(made);
  for (const [index, node] of made.entries()) nodes.push(await program(node, index + 1));
  for (const { node } of nodes)
    for (const pod of node.pods) {
      assert.ok(await pod.succeeds("ip", "route", "add", "default", "via", String(node.gateway.addresses[0])));
      assert.ok(await pod.succeeds("ip", "route", "add", "default", "via", String(node.gateway.addresses[1]), "dev", "eth0"));
      asks.set(pod.port.podName, await startPodProgram(pod, "8080"));
    }
  // The tunnel's neighbours are asked for by the first packets, which are lost.
  while (!(await ask("client", `tcp ${addressOf("open", 4)} 8080`)).startsWith("open "));
}, limit);
after(async () => {
  stop.abort();
  for (const { node } of nodes) await node.remove();
});

/** A cable between the nodes, each end in a bridge of the switch in user space, which tunnels need. */
async function connectNodes([one, two]: readonly PacketNode[]): Promise<void> {
  assert.ok(one && two);
  const names = [one.networkNamespace, two.networkNamespace];
  await run("ip", ["-n", names[0] ?? "", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", names[1] ?? ""]);
  for (const [index, node] of [one, two].entries()) {
    const inside = (...args: string[]): Promise<unknown> => run("ip", ["-n", node.networkNamespace, ...args]);
    await inside("link", "set", "up0", "up");
    await node.ovs.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", "--", "add-port", "br-phy", "up0");
    await inside("addr", "add", `172.31.0.${index + 1}/24`, "dev", "br-phy");
    await inside("link", "set", "br-phy", "up");
    const port = ["add-port", "br0", "tun0", "--", "set", "Interface", "tun0", "type=geneve", "options:remote_ip=flow", "options:key=flow"];
    await node.ovs.vsctl(...port, `ofport_request=${tunnel.ofport}`);
  }
}

async function program(node: PacketNode, number: number): Promise<TestNode> {
  const other = 3 - number;
  const ledger = createFlowLedger();
  const groups = createGroupLedger();
  const made = { cookie: cookie("networkPolicy", 1), priority: 400 } as const;
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, node.gateway));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  const podCIDRs = [`10.10.${other}.0/24`, `fd00:10:0:${other}::/64`].map(parsePrefix);
  const remoteNode = { name: "other", podCIDRs, transportAddresses: [parseAddress(`172.31.0.${other}`)] };
  ledger.set("node", compileRemoteNode(pipeline, remoteNode, tunnel));
  for (const { port } of node.pods) ledger.set(port.interfaceName, compileLocalPort(pipeline, port));
  const rejects = (table: "EgressSecurityClassifier" | "IngressSecurityClassifier", to: string) =>
    ([4, 6] as const).map((family) =>
      flow(pipeline, table, { ...made, match: ipDestination(parseAddress(addressOf(to, family))), actions: [metered], next: "sent" }),
    );
  ledger.set("verdicts", [
    ...(number === 1 ? rejects("EgressSecurityClassifier", "local") : rejects("IngressSecurityClassifier", "remote")),
    flow(pipeline, "EgressSecurityClassifier", {
      ...made,
      priority: 300,
      match: whenRegisters({ source: portKind.pod }),
      next: "L3Forwarding",
    }),
    flow(pipeline, "IngressSecurityClassifier", {
      ...made,
      priority: 205,
      match: whenRegisters({ destination: portKind.pod }),
      next: "ConntrackCommit",
    }),
  ]);
  const services = createServiceCompiler({ pipeline, flows: ledger, groups, numbers: createServiceNumbers() });
  for (const [last, pod] of Object.entries(servicesOf))
    services.set(
      `shop/${pod}`,
      ([4, 6] as const).flatMap((family) =>
        (["TCP", "UDP"] as const).map((protocol) => ({
          portName: `shop/${pod}:`,
          address: parseAddress(virtual(Number(last), family)),
          protocol,
          port: 80,
          endpoints: [{ address: parseAddress(addressOf(pod, family)), port: 8_080 }],
          whenEmpty: "reject" as const,
        })),
      ),
    );
  const connect = (signal: AbortSignal) => connectOpenFlow({ runtime, path: node.ovs.management("br0"), signal });
  const connection = await connect(stop.signal);
  await connection.meters(compilePacketInMeters(5_000).map((meter) => ({ command: "add", meter })));
  await connection.groups(groups.takeChange().put.map((group) => ({ command: "add", group })));
  await connection.flows([...ledger.flows()].map(([, each]) => ({ command: "add", flow: each })));
  connection.close();
  const ports = createTable<LocalPort>({ name: "ports", key: ({ interfaceName }) => interfaceName });
  for (const { port } of node.pods) ports.upsert(port);
  const { figures } = answerRejected({ runtime, connect, ports, gateway: node.gateway, tunnel, rate: 5_000, signal: stop.signal });
  while (!figures().connected) await new Promise(setImmediate);
  return { node, number, rejected: figures };
}

const hosts = { client: [1, 2], local: [1, 3], remote: [2, 2], open: [2, 3] } as const;
const servicesOf: Readonly<Record<number, keyof typeof hosts>> = { 10: "local", 20: "remote", 30: "open" };
const virtual = (last: number, family: 4 | 6): string => (family === 4 ? `10.96.0.${last}` : `fd00:96::${last}`);
function addressOf(name: string, family: 4 | 6): string {
  const [subnet, last] = hosts[name as keyof typeof hosts];
  return family === 4 ? `10.10.${subnet}.${last}` : `fd00:10:0:${subnet}::${last}`;
}

const ask = (from: string, request: string): Promise<string> => asks.get(from)?.(request) ?? Promise.reject(new Error(`no pod ${from}`));

const ways = ([4, 6] as const).flatMap((family) => (["tcp", "udp"] as const).map((protocol) => ({ family, protocol })));

for (const [where, to] of [
  ["as it leaves the pod", (family: 4 | 6) => `${addressOf("local", family)} 8080`],
  ["as it leaves the pod for a Service", (family: 4 | 6) => `${virtual(10, family)} 80`],
  ["on the other node, through the tunnel", (family: 4 | 6) => `${addressOf("remote", family)} 8080`],
  ["on the other node, for a Service", (family: 4 | 6) => `${virtual(20, family)} 80`],
] as const)
  test(`a client that is rejected ${where} hears so at once, in both families`, limit, async () => {
    for (const { family, protocol } of ways) {
      const answer = await ask("client", `${protocol} ${to(family)}`);
      // A reset refuses a connection. "Administratively prohibited" is what a datagram's sender is told: no route to the host in IPv4, no permission in IPv6.
      const expected = protocol === "tcp" ? /refused/ : family === 4 ? /EHOSTUNREACH/ : /EACCES/;
      assert.match(answer, expected, `${protocol} IPv${family}`);
    }
  });

test("what is not rejected passes, directly and by its Service", limit, async () => {
  for (const { family, protocol } of ways) {
    assert.match(await ask("client", `${protocol} ${addressOf("open", family)} 8080`), /^open /);
    assert.match(await ask("client", `${protocol} ${virtual(30, family)} 80`), /^open /);
  }
});

test("tcpdump finds the answers right: addresses of the Service, sequence, checksums, quoted header", limit, async () => {
  const client = nodes[0]?.node.pods[0];
  assert.ok(client);
  const dump = client.start("tcpdump", "-lnvv", "-i", "eth0", "tcp[tcpflags] & tcp-rst != 0 or icmp");
  assert.ok(dump.stdout);
  let text = "";
  dump.stdout.on("data", (chunk) => (text += String(chunk)));
  const seen = async (pattern: RegExp, request: string): Promise<void> => {
    for (const end = performance.now() + amplePatience; !pattern.test(text.replaceAll(/\n\s+/g, " ")); ) {
      if (performance.now() > end) assert.fail(`not seen: ${pattern}\n${text}`);
      await ask("client", request);
    }
  };
  await seen(/10\.96\.0\.20\.80 > 10\.10\.1\.2\.\d+: Flags \[R\.\], cksum 0x[0-9a-f]+ \(correct\), seq 0, ack \d+/, "tcp 10.96.0.20 80");
  await seen(
    /10\.96\.0\.10 > 10\.10\.1\.2: ICMP host 10\.96\.0\.10 unreachable - admin prohibited( filter)?, length 36 .*10\.10\.1\.2\.\d+ > 10\.96\.0\.10\.80: UDP/,
    "udp 10.96.0.10 80",
  );
  dump.kill("SIGKILL");
});

test("of hundreds of rejections in a row none is lost: no client sends its SYN twice", limit, async () => {
  const client = nodes[0]?.node.pods[0];
  assert.ok(client);
  const nft = async (...args: string[]): Promise<string> =>
    (await run("ip", ["netns", "exec", client.networkNamespace, "nft", ...args])).stdout;
  await nft(
    `table ip rejected {
  counter asks { }
  counter resets { }
  chain out { type filter hook output priority 0; tcp flags & (syn | ack) == syn counter name "asks"; }
  chain in { type filter hook input priority 0; tcp flags & rst == rst counter name "resets"; }
}`,
  );
  const count = async (counter: string): Promise<number> =>
    Number(/packets (\d+)/.exec(await nft("list", "counter", "ip", "rejected", counter))?.[1]);
  for (let turn = 0; turn < rejections; turn++) assert.equal(await ask("client", `tcp ${virtual(10, 4)} 80`), "refused");
  // A lost one leaves its SYN without an answer; the one that is sent a second later has its own, as has one that was sent for the machine was slow.
  const asked = await count("asks");
  assert.ok(asked >= rejections);
  for (const end = performance.now() + amplePatience; (await count("resets")) < asked && performance.now() < end; );
  assert.equal(await count("resets"), asked);
});
