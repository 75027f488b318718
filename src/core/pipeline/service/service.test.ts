import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Frontend } from "#core/services/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import { formatGroup } from "#lib/openflow/group-text.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createFlowLedger } from "../flow-ledger.ts";
import { createGroupLedger } from "../group-ledger.ts";
import { compileGateway, compileLocalPort, compileSkeleton, createPipeline, type LocalPort } from "../index.ts";
import { createPolicyCompiler } from "../policy/index.ts";
import { createServiceCompiler, createServiceNumbers } from "./index.ts";

const pipeline = createPipeline();
const gatewayMac = "0e:00:00:00:00:01";
const virtual = parseAddress("10.96.0.10");
const pod = (number: number): LocalPort => ({
  interfaceName: `pod${number}`,
  ofport: number,
  mac: parseMac(`0a:00:00:00:00:0${number}`),
  addresses: [`10.10.0.${number}`, `fd00:10::${number}`].map(parseAddress),
  podNamespace: "shop",
  podName: `pod${number}`,
  containerId: `c${number}`,
});
const frontend = (parts: Partial<Frontend>): Frontend => ({
  portName: "shop/web:",
  address: virtual,
  protocol: "TCP",
  port: 80,
  endpoints: [],
  whenEmpty: "reject",
  ...parts,
});
const endpoint = (number: number, port = 8_080) => ({ address: parseAddress(`10.10.0.${number}`), port });

function compiled(frontends: readonly Frontend[]) {
  const flows = createFlowLedger();
  const groups = createGroupLedger();
  const services = createServiceCompiler({ pipeline, flows, groups, numbers: createServiceNumbers() });
  services.set("shop/web", frontends);
  return { flows, groups, services };
}

test("the flows and groups are as reviewed", () => {
  const { flows, groups } = compiled([
    frontend({ endpoints: [endpoint(5), endpoint(6)] }),
    frontend({ protocol: "UDP", affinitySeconds: 60, endpoints: [endpoint(5)] }),
    frontend({
      protocol: "SCTP",
      address: parseAddress("fd00:96::10"),
      endpoints: [{ address: parseAddress("fd00:10::5"), port: 9_003 }],
    }),
    frontend({ port: 81 }),
    frontend({ port: 82, whenEmpty: "drop" }),
  ]);
  const sorted = [...flows.flows()].map(([, flow]) => flow).sort((a, b) => a.table - b.table || b.priority - a.priority);
  const tableName = (table: number): string | undefined => pipeline.nameOf(table);
  const text = [
    ...[...groups.groups()].map((group) => formatGroup(group, { tableName })),
    ...sorted.map((flow) => formatFlow(flow, { tableName })),
    "",
  ].join("\n");
  const file = join(import.meta.dirname, "flows.golden");
  if (process.env.UPDATE_GOLDEN) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"));
});

test("numbers follow from the content: an endpoint that comes or goes leaves the others' flows alone, a restart all", () => {
  const { flows, groups, services } = compiled([frontend({ endpoints: [endpoint(5), endpoint(6)] })]);
  flows.takeChange();
  groups.takeChange();
  services.set("shop/web", [frontend({ endpoints: [endpoint(4), endpoint(5), endpoint(6)] })]);
  assert.deepEqual([flows.takeChange(), groups.takeChange().put.length].flat().length, 2);
  services.set("shop/web", [frontend({ endpoints: [endpoint(6)] })]);
  const { add, remove } = flows.takeChange();
  assert.deepEqual([add.length, remove.length], [0, 4]);
  const again = compiled([frontend({ endpoints: [endpoint(6)] })]);
  assert.deepEqual([...again.flows.flows()], [...flows.flows()]);
  assert.deepEqual([...again.groups.groups()], [...groups.groups()]);
  services.set("shop/web", []);
  assert.deepEqual([flows.size, groups.size], [0, 0]);
});

test("ledgers that are told one list share its flows, and have their own where a number is taken", () => {
  const list = [frontend({ endpoints: [endpoint(5)] })];
  const flowsOf = ({ flows }: ReturnType<typeof compiled>) => [...flows.flows()].map(([, flow]) => flow);
  const [one, other] = [compiled(list), compiled(list)];
  assert.ok(flowsOf(one).every((flow, index) => flow === flowsOf(other)[index]));
  // Whoever came first has the number that follows from the name.
  const numbers = createServiceNumbers();
  const taken = { hold: (service: string) => numbers.hold(service) + 1, release: numbers.release, numberOf: numbers.numberOf };
  const flows = createFlowLedger();
  createServiceCompiler({ pipeline, flows, groups: createGroupLedger(), numbers: taken }).set("shop/web", list);
  const texts = (all: readonly Flow[]) => all.map((flow) => formatFlow(flow));
  assert.notDeepEqual(texts([...flows.flows()].map(([, flow]) => flow)), texts(flowsOf(one)));
  assert.deepEqual(texts(flowsOf(compiled(list))), texts(flowsOf(one)));
});

test("while two Services claim one address the later has its way, and what it leaves the other has again", () => {
  const { groups, services } = compiled([frontend({ endpoints: [endpoint(5)] })]);
  const [only] = groups.groups();
  assert.ok(only);
  services.set("shop/other", [frontend({ endpoints: [endpoint(6), endpoint(7)] })]);
  assert.equal(groups.get(only.group)?.buckets.length, 2);
  services.set("shop/other", []);
  assert.deepEqual(groups.get(only.group), only);
});

/** SCTP goes through real Open vSwitch as frames, as machines need not have SCTP sockets. */
let ovs: PrivateSwitch;
before(async () => {
  ovs = await startPrivateSwitch();
  for (const port of [5, 6, 7, 100])
    await ovs.vsctl("add-port", "br0", `port${port}`, "--", "set", "Interface", `port${port}`, "type=dummy", `ofport_request=${port}`);
});
after(() => ovs?.stop());

async function program(frontends: readonly Frontend[]): Promise<void> {
  const { flows, groups } = compiled(frontends);
  const policies = createPolicyCompiler({ pipeline, ledger: flows });
  const gateway = { ofport: 100, mac: parseMac(gatewayMac), addresses: ["10.10.0.1", "fd00:10::1"].map(parseAddress) };
  flows.set("skeleton", compileSkeleton(pipeline));
  flows.set("gateway", compileGateway(pipeline, gateway));
  for (const port of [5, 6, 7].map(pod)) {
    flows.set(port.interfaceName, compileLocalPort(pipeline, port));
    policies.setPort(port);
  }
  policies.compile();
  const connection = await connectOpenFlow({
    runtime: { ...systemRuntime(), logger: silentLogger },
    path: ovs.management("br0"),
  });
  const { add } = flows.takeChange();
  await connection.change([
    ...[...groups.groups()].map((group) => ({ command: "add_or_modify", group }) as const),
    ...add.map((flow) => ({ command: "add", flow }) as const),
  ]);
  connection.close();
}

const sctp = (from: number, to: string, [source, destination]: readonly [number, number]) => ({
  frame: `eth(src=0a:00:00:00:00:0${from},dst=${gatewayMac}),eth_type(0x0800),ipv4(src=10.10.0.${from},dst=${to},proto=132,tos=0,ttl=64,frag=no),sctp(src=${source},dst=${destination})`,
  text: `in_port=${from},sctp,dl_src=0a:00:00:00:00:0${from},dl_dst=${gatewayMac},nw_src=10.10.0.${from},nw_dst=${to},nw_ttl=64,sctp_src=${source},sctp_dst=${destination}`,
});

async function receive(port: number, { frame }: { readonly frame: string }): Promise<void> {
  await ovs.appctl("netdev-dummy/receive", `port${port}`, `in_port(1),${frame}`);
  await ovs.appctl("revalidator/wait");
}

/** Where the packet goes, and its addresses and ports in the end, whatever the connection tracker says. */
async function goes({ text }: { readonly text: string }): Promise<string> {
  const trace = await ovs.appctl("ofproto/trace", "br0", text, "--ct-next", "trk,est");
  const port = /output port is (\d+)/.exec(trace)?.[1] ?? (/\n\s+IN_PORT\n/.test(trace) ? "IN_PORT" : "dropped");
  const final = [...trace.matchAll(/Final flow: (.*)/g)].at(-1)?.[1] ?? "";
  const value = (name: string): string => new RegExp(`\\b${name}=([\\d.]+)`).exec(final)?.[1] ?? "";
  return `${port}: ${value("nw_src")}:${value("tp_src")} > ${value("nw_dst")}:${value("tp_dst")}`;
}

test("SCTP is translated by flows, and an association keeps its endpoint while others come", async () => {
  const served = frontend({ protocol: "SCTP", port: 9_000, endpoints: [endpoint(6, 9_003)] });
  await program([served]);
  const asked = sctp(5, "10.96.0.10", [1_024, 9_000]);
  await receive(5, asked);
  assert.equal(await goes(asked), "6: 10.10.0.5:1024 > 10.10.0.6:9003");
  assert.equal(await goes(sctp(6, "10.10.0.5", [9_003, 1_024])), "5: 10.96.0.10:9000 > 10.10.0.5:1024");
  // Other ports of the same pods are no reply, and stay as they are.
  assert.equal(await goes(sctp(6, "10.10.0.5", [9_004, 1_024])), "5: 10.10.0.6:9004 > 10.10.0.5:1024");
  await program([{ ...served, endpoints: [6, 7].map((number) => endpoint(number, 9_003)) }]);
  assert.equal(await goes(asked), "6: 10.10.0.5:1024 > 10.10.0.6:9003");
});

test("a pod that reaches itself by SCTP sees the virtual address", async () => {
  await program([frontend({ protocol: "SCTP", port: 9_000, endpoints: [endpoint(5, 9_003)] })]);
  const asked = sctp(5, "10.96.0.10", [1_025, 9_000]);
  await receive(5, asked);
  assert.equal(await goes(asked), "IN_PORT: 169.254.0.253:1025 > 10.10.0.5:9003");
  assert.equal(await goes(sctp(5, "169.254.0.253", [9_003, 1_025])), "IN_PORT: 10.96.0.10:9000 > 10.10.0.5:1025");
});
