import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { parseAddress } from "#lib/ip/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { connectOpenFlow, type FlowUpdate, type OpenFlowConnection, type PacketIn, type PortStatus } from "./connection.ts";
import { type Flow, flowKey, formatFlow, parseFlow, sameFlow } from "./flow.ts";
import { formatGroup, parseGroup } from "./group-text.ts";
import { sameGroup } from "./messages/group-mod.ts";
import { sameMeter } from "./meter-text.ts";
import { type PrivateSwitch, startPrivateSwitch } from "./testing/private-switch.ts";

// Runs against the real ovs-vswitchd; ovs-ofctl is the other witness of what it holds.

const runtime = { ...systemRuntime(), logger: silentLogger };
const everyFlow: Flow = { table: 255, priority: 0, cookie: 0n, match: {}, actions: [] };
let realSwitch: PrivateSwitch;
let connection: OpenFlowConnection;

before(async () => {
  realSwitch = await startPrivateSwitch({ bridges: ["br0", "old"] });
  await realSwitch.vsctl("set", "Bridge", "old", "protocols=OpenFlow10");
  for (const port of ["1", "2"])
    await realSwitch.vsctl("add-port", "br0", `p${port}`, "--", "set", "Interface", `p${port}`, "type=dummy", `ofport_request=${port}`);
  connection = await connectOpenFlow({ runtime, path: realSwitch.management("br0") });
});
beforeEach(async () => {
  await connection.change([
    { command: "delete", flow: everyFlow },
    { command: "delete", group: "all" },
  ]);
});
after(async () => {
  connection?.close();
  await realSwitch?.stop();
});

/** The lines of an ovs-ofctl dump, without its head. */
async function dumpByOfctl(command: "dump-flows" | "dump-groups", ...options: string[]): Promise<string[]> {
  const text = await realSwitch.ofctl(command, "br0", ...options);
  return text.split("\n").flatMap((line) => (line.startsWith(" ") ? [line.trim()] : []));
}

/** Waits for `listen` to deliver something that `accept` accepts. */
function waitFor<T>(listen: (listener: (value: T) => void) => () => void, accept: (value: T) => boolean = () => true): Promise<T> {
  return new Promise((resolve) => {
    const stop = listen((value) => {
      if (!accept(value)) return;
      stop();
      resolve(value);
    });
  });
}

/** Templates with `#`, a number from 0 to 252, and `@`, one in hexadecimal. Each is accepted by the switch. */
const templates = [
  "table=1,priority=10#,ip,nw_src=10.#.0.0/16,reg0=0x@/0xff,in_port=LOCAL actions=set_field:0x@/0xff->reg1,move:NXM_OF_IN_PORT[]->NXM_NX_REG2[0..15],resubmit(,5)",
  "table=1,priority=20#,arp,arp_op=1,arp_tpa=10.0.0.# actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:0a:00:00:00:00:@->eth_src,set_field:2->arp_op,IN_PORT",
  "table=2,priority=10#,tcp,nw_dst=10.0.#.0/24,tp_dst=1000/0xfff8,ct_state=+new+trk,ct_mark=0x@/0xff actions=ct(commit,table=3,zone=65520,exec(set_field:0x@/0xff->ct_mark,set_field:0x@00/0xff00->ct_label))",
  "table=2,priority=20#,tcp6,ipv6_dst=fd00:@::/32,tp_dst=80 actions=ct(commit,table=3,zone=65510,nat(dst=[fd00::@]:80-90))",
  "table=2,priority=30#,ip,nw_src=10.0.0.# actions=ct(commit,table=4,zone=NXM_NX_REG0[0..15],nat(src=1.2.3.#-1.2.4.255:1024-2048,random))",
  "table=3,priority=10#,icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::@ actions=controller(reason=no_match,id=#,userdata=01.@.03,pause)",
  "table=3,priority=20#,udp,tp_src=53,ct_state=-new+est+trk,ct_label=0x@/0xff actions=learn(table=5,idle_timeout=100,priority=7,delete_learned,cookie=0x@1,eth_type=0x800,nw_proto=17,NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_IP_DST[]=0xa000001,load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],load:0x1->NXM_NX_REG1[3],output:NXM_OF_IN_PORT[]),NORMAL",
  "table=4,priority=#,sctp,tp_dst=5,metadata=0x@/0xff,tun_id=0x5@,tun_src=1.1.1.1,reg5=0,nw_ttl=64 actions=dec_ttl,output:NXM_NX_REG1[],ct_clear,note:01.02.03.04.05.06",
  "table=5,priority=#,tcp,tcp_flags=+syn-ack,dl_vlan=1#,dl_vlan_pcp=3,pkt_mark=0x@/0xff actions=drop",
  "table=6,priority=#,ip,conj_id=1# actions=resubmit(,7),resubmit:1",
  "table=6,priority=30#,ipv6,ipv6_src=fd00::@00/120 actions=conjunction(1#,1/3),conjunction(1,2/2)",
  "table=7,priority=#,vlan_tci=0x1000/0x1000,in_port=1 actions=pop_vlan,push_vlan:0x8100,set_field:0x10@->vlan_vid,output:2,CONTROLLER:128,output(port=1,max_len=100)",
  "table=8,priority=#,ip,xreg1=0x@00000001,xxreg1=0x1@/0xfff actions=set_field:0x123456781234567812345678123456@->xxreg0,goto_table:20",
  "table=9,idle_timeout=1#,hard_timeout=2#,importance=#,send_flow_rem,priority=#,ip,nw_frag=later actions=clone(output:2,ct(table=3,nat)),check_pkt_larger(1500)->NXM_NX_REG0[0],push:NXM_NX_REG0[],pop:NXM_NX_REG1[0..3]",
  "table=9,priority=3#,tcp actions=bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[15..30],members:1,2,1#),resubmit(,10)",
  "table=10,priority=#,tcp6 actions=ct(commit,force,nat(dst=fd00::@),alg=ftp)",
  "table=11,priority=#,dl_src=0a:00:00:00:00:@,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=set_field:0a:00:00:00:00:@->eth_dst,LOCAL",
];
const variedFlows = Array.from({ length: 125 * templates.length }, (_, index) => {
  const round = Math.floor(index / templates.length);
  const text = (templates[index % templates.length] ?? "")
    .replaceAll("#", String(round))
    .replaceAll("@", round.toString(16).padStart(2, "0"));
  return { ...parseFlow(text), cookie: BigInt(index) };
});

test("two thousand flows of every kind: the switch holds exactly them, in text and by our own dump", async () => {
  await connection.flows(variedFlows.map((flow) => ({ command: "add", flow })));
  const expected = variedFlows.map((flow) => formatFlow(flow)).sort();
  assert.deepEqual((await dumpByOfctl("dump-flows", "--no-stats")).sort(), expected);

  const held = new Map<string, Flow>();
  for await (const flow of connection.dumpFlows()) held.set(flowKey(flow), flow);
  assert.equal(held.size, variedFlows.length);
  for (const flow of variedFlows) {
    const found = held.get(flowKey(flow));
    assert.ok(found !== undefined && sameFlow(found, flow), formatFlow(flow));
  }
  const oneTable = await Array.fromAsync(connection.dumpFlows({ table: 3, match: { eth_type: 0x86ddn } }));
  assert.equal(oneTable.length, 125);
  assert.equal((await connection.countFlows({ cookie: 6n })).flows, 1);
  assert.equal((await connection.tables()).find(({ table }) => table === 11)?.flows, 125);

  await connection.flows(variedFlows.map((flow) => ({ command: "delete_strict", flow })));
  assert.deepEqual(await dumpByOfctl("dump-flows"), []);
});

test("a bundle with one bad flow changes nothing and names the flow; without a bundle the good ones stay", async () => {
  const good = parseFlow("table=1,priority=5,ip actions=drop");
  const mods = [good, parseFlow("table=1,priority=6 actions=group:77"), parseFlow("table=1,priority=7,tcp_dst=80 actions=drop")].map(
    (flow) => ({ command: "add" as const, flow }),
  );
  await assert.rejects(connection.flows(mods), {
    code: "CHANGES_REFUSED",
    message: "the switch refused add table=1, priority=7,tp_dst=80 actions=drop: OFPBMC_BAD_PREREQ",
  });
  // This one only fails when the bundle is committed.
  await assert.rejects(connection.flows(mods.slice(0, 2)), {
    code: "CHANGES_REFUSED",
    message: "the switch refused add table=1, priority=6 actions=group:77: OFPBAC_BAD_OUT_GROUP",
  });
  assert.deepEqual(await dumpByOfctl("dump-flows"), []);
  await assert.rejects(connection.flows(mods, { bundle: false }), {
    code: "CHANGES_REFUSED",
    message: /OFPBAC_BAD_OUT_GROUP \(and 1 more\)$/,
  });
  assert.deepEqual(await dumpByOfctl("dump-flows", "--no-stats"), [formatFlow(good)]);
  await assert.rejects(connection.flows([{ command: "add", flow: { ...good, match: { tcp_dst: 70_000n } } }]), {
    code: "CHANGES_REFUSED",
    message: "the switch refused add of a flow in table 1: tcp_dst: 70000/65535 does not fit its 16 bits",
  });
});

test("more flows than one bundle holds are all made", async () => {
  const flows = Array.from({ length: 9_001 }, (_, index) => parseFlow(`table=1,priority=${index},reg1=${index} actions=drop`));
  await connection.flows(flows.map((flow) => ({ command: "add", flow })));
  assert.equal((await connection.countFlows()).flows, flows.length);
});

test("groups, with the flows that use them, in one bundle", async () => {
  const groups = [
    "group_id=1,type=select,selection_method=dp_hash,bucket=bucket_id:0,weight:100,actions=output:1,bucket=bucket_id:1,actions=ct(commit,zone=5,nat(dst=10.0.0.1:80))",
    "group_id=2,type=all,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,actions=output:2",
    "group_id=3,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=bucket_id:0,weight:5,actions=resubmit(,5)",
    "group_id=4,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1",
  ].map((text) => parseGroup(text));
  await connection.change([
    ...groups.map((group) => ({ command: "add_or_modify" as const, group })),
    { command: "add", flow: parseFlow("table=1 actions=group:4") },
  ]);
  assert.deepEqual(
    (await dumpByOfctl("dump-groups")).sort(),
    groups.map((group) => formatGroup(group)),
  );
  const held = (await connection.dumpGroups()).sort((one, other) => one.group - other.group);
  for (const [index, group] of groups.entries()) assert.ok(held[index] !== undefined && sameGroup(held[index], group));
  await connection.groups([
    { command: "insert_bucket", group: 2, after: "last", buckets: [{ id: 5, actions: [] }] },
    { command: "remove_bucket", group: 2, bucket: 0 },
  ]);
  assert.equal((await connection.dumpGroups()).find(({ group }) => group === 2)?.buckets.length, 2);
  await connection.groups([{ command: "delete", group: "all" }]);
  assert.deepEqual(await connection.dumpGroups(), []);
  assert.equal((await connection.countFlows()).flows, 0);
});

test("meters", async () => {
  const meter = { meter: 256, unit: "pktps" as const, bands: [{ type: "drop" as const, rate: 100, burst: 200 }] };
  await connection.meters([{ command: "add", meter }]);
  const [held] = await connection.dumpMeters();
  assert.ok(held !== undefined && sameMeter(held, meter));
  await assert.rejects(connection.meters([{ command: "add", meter }]), {
    message: "the switch refused add meter 256: OFPMMFC_METER_EXISTS",
  });
  await connection.meters([{ command: "delete", meter: "all" }]);
  assert.deepEqual(await connection.dumpMeters(), []);
  assert.ok((await connection.mostMeters()) >= 65_535);
});

const frame = "0a0000000002" + "0a0000000001" + "0800" + "4500001c00000000401166cf0a0000010a000002" + "0035003500080000";

test("a packet goes to the controller, waits, and goes on as changed", async () => {
  await connection.setControllerId(7);
  await connection.flows(
    [
      "table=0,priority=1,in_port=1 actions=set_field:0x5->reg3,controller(id=7,userdata=01.02,pause),resubmit(,2)",
      "table=2,priority=1,reg3=9 actions=CONTROLLER",
      "table=2,priority=1,reg3=5 actions=CONTROLLER",
    ].map((text) => ({ command: "add", flow: { ...parseFlow(text.replace("CONTROLLER", "controller(id=7)")), cookie: 0x77n } })),
  );
  const first = waitFor<PacketIn>(connection.onPacketIn);
  await realSwitch.appctl("netdev-dummy/receive", "p1", frame);
  const packet = await first;
  assert.equal(Buffer.from(packet.packet).toString("hex").slice(0, frame.length), frame);
  assert.deepEqual(packet.userdata, Uint8Array.of(1, 2));
  assert.deepEqual(packet.metadata, { in_port: 1n, reg3: 5n });
  assert.deepEqual([packet.table, packet.cookie, packet.reason], [0, 0x77n, "action"]);
  const { continuation } = packet;
  assert.ok(continuation);

  const second = waitFor<PacketIn>(connection.onPacketIn);
  await connection.resume({ ...packet, continuation, metadata: { ...packet.metadata, reg3: 9n } });
  const resumed = await second;
  assert.deepEqual(resumed.metadata, { in_port: 1n, reg3: 9n });
  assert.equal(resumed.table, 2);

  const waiting = waitFor<PacketIn>(connection.onPacketIn);
  await realSwitch.appctl("netdev-dummy/receive", "p1", frame);
  const unchanged = await waiting;
  assert.ok(unchanged.continuation);
  const gone = waitFor<PacketIn>(connection.onPacketIn);
  await connection.resume({ ...unchanged, continuation: unchanged.continuation });
  const asItWas = await gone;
  assert.deepEqual([asItWas.metadata, asItWas.table, asItWas.packet], [packet.metadata, 2, packet.packet]);

  const third = waitFor<PacketIn>(connection.onPacketIn);
  await connection.packetOut({
    packet: Uint8Array.from(Buffer.from(frame, "hex")),
    inPort: 2,
    metadata: { reg3: 9n },
    actions: [{ type: "resubmit", table: 2 }],
  });
  assert.deepEqual((await third).metadata, { in_port: 2n, reg3: 9n });
  await connection.setControllerId(0);
});

test("a flow monitor tells what is there and what others change", async () => {
  const flow = parseFlow("table=1,priority=9,ip actions=drop");
  await connection.flows([{ command: "add", flow }]);
  const updates: FlowUpdate[] = [];
  const listeners = new Set<() => void>();
  const stop = await connection.monitorFlows({ initial: true }, (update) => {
    updates.push(update);
    for (const listener of [...listeners]) listener();
  });
  assert.deepEqual(updates, [{ event: "initial", flow }]);
  const next = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (updates.length < count) return;
        listeners.delete(look);
        resolve();
      };
      listeners.add(look);
      look();
    });
  await realSwitch.ofctl("add-flow", "br0", "table=2,priority=3 actions=output:2");
  await next(2);
  await realSwitch.ofctl("del-flows", "br0", "table=1");
  await next(3);
  await connection.flows([{ command: "add", flow }]);
  await next(4);
  assert.deepEqual(updates[1], { event: "added", flow: parseFlow("table=2,priority=3 actions=output:2") });
  assert.deepEqual(updates[2], { event: "removed", flow: { ...flow, actions: [] } });
  assert.equal(updates[3]?.event, "own");
  await stop();
  await connection.flows([{ command: "delete", flow: everyFlow }]);
  assert.equal(updates.length, 4);
});

test("ports, and that they come and go", async () => {
  assert.deepEqual((await connection.ports()).map(({ port, name }) => [port, name]).sort(), [
    [1, "p1"],
    [2, "p2"],
    ["LOCAL", "br0"],
  ]);
  const added = waitFor<PortStatus>(connection.onPortStatus, ({ reason }) => reason === "add");
  await realSwitch.vsctl("add-port", "br0", "p3", "--", "set", "Interface", "p3", "type=dummy", "ofport_request=3");
  assert.deepEqual(((status) => [status.port.name, status.port.port])(await added), ["p3", 3]);
  const deleted = waitFor<PortStatus>(connection.onPortStatus, ({ reason }) => reason === "delete");
  await realSwitch.vsctl("del-port", "br0", "p3");
  assert.equal((await deleted).port.name, "p3");
});

test("a removed flow is told where it was asked for", async () => {
  await connection.setAsync({ packetIns: true, portStatus: true, flowRemoved: true });
  const flow = parseFlow("cookie=0x9,table=1,priority=9,send_flow_rem,ip actions=drop");
  await connection.flows([{ command: "add", flow }]);
  const removed = waitFor(connection.onFlowRemoved);
  await connection.flows([{ command: "delete_strict", flow }]);
  const told = await removed;
  assert.equal(told.reason, "delete");
  assert.equal(told.flow.cookie, 9n);
  assert.equal(flowKey(told.flow), flowKey(flow));
});

test("tracked connections are forgotten by address", { timeout: 240_000 }, async () => {
  await connection.flows([{ command: "add", flow: parseFlow("table=0,priority=1,udp actions=ct(commit,zone=5),output:2") }]);
  const tracked = async (): Promise<string> => realSwitch.appctl("dpctl/dump-conntrack", "zone=5");
  await realSwitch.appctl("netdev-dummy/receive", "p1", frame);
  while (!(await tracked()).includes("src=10.0.0.1"));
  const source = parseAddress("10.0.0.1");
  await connection.flushConnections({ zone: 5, source: parseAddress("10.0.0.9") });
  assert.match(await tracked(), /src=10.0.0.1/);
  await connection.flushConnections({ zone: 5, source });
  assert.equal((await tracked()).trim(), "");
  await connection.flushConnections({ zone: 5 });
  await realSwitch.appctl("netdev-dummy/receive", "p1", frame);
  while (!(await tracked()).includes("src=10.0.0.1"));
  // whoever answers sends from where the first packet went
  await connection.flushConnections({ protocol: 17, reply: { source } });
  assert.match(await tracked(), /src=10.0.0.1/);
  await connection.flushConnections({ protocol: 17, reply: { destination: source } });
  assert.equal((await tracked()).trim(), "");
});

test("a bridge without OpenFlow 1.5, or no bridge, is said to be so", async () => {
  await assert.rejects(connectOpenFlow({ runtime, path: realSwitch.management("old") }), {
    code: "OPENFLOW_CONNECTION_LOST",
    message: /OpenFlow15/,
  });
  await assert.rejects(connectOpenFlow({ runtime, path: realSwitch.management("none") }), {
    code: "OPENFLOW_CONNECTION_LOST",
    message: /none\.mgmt.*ENOENT/,
  });
});

test("when the bridge goes, calls under way and later ones are told", async () => {
  const second = await connectOpenFlow({ runtime, path: realSwitch.management("br0") });
  await realSwitch.vsctl("del-br", "br0");
  const reason = await second.closed;
  assert.equal((reason as { code?: string }).code, "OPENFLOW_CONNECTION_LOST");
  await assert.rejects(second.barrier(), { code: "OPENFLOW_CONNECTION_LOST" });
  await assert.rejects(second.flows([{ command: "add", flow: parseFlow("actions=drop") }]), { code: "OPENFLOW_CONNECTION_LOST" });
  await assert.rejects(Array.fromAsync(second.dumpFlows()), { code: "OPENFLOW_CONNECTION_LOST" });
});
