import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { decodeFrame, encodeFrame, type TransportPacket } from "#lib/packet/index.ts";
import { seconds, virtualRuntime } from "#lib/runtime/index.ts";
import { ChangesRefused } from "../errors.ts";
import { parseFlow } from "../flow.ts";
import { parseGroup } from "../group-text.ts";
import { createMemorySwitch, type MemorySwitch, type MemorySwitchOptions } from "./memory-switch.ts";

const flows = (...texts: readonly string[]) => texts.map((text) => ({ command: "add", flow: parseFlow(text) }) as const);

function start(texts: readonly string[], options: Partial<MemorySwitchOptions> = {}) {
  const { clock, random } = virtualRuntime({ seed: 1 });
  const memory = createMemorySwitch({ clock, random, ports: [1, 2, 3].map((number) => ({ number })), ...options });
  memory.apply(flows(...texts));
  return { memory, clock };
}

const udp: TransportPacket = { kind: "udp", sourcePort: 1_000, destinationPort: 53, payload: new Uint8Array(4) };
const frameOf = (payload: TransportPacket = udp, source = "10.0.0.1", destination = "10.0.0.2"): Uint8Array =>
  encodeFrame({
    source: parseMac("0a:00:00:00:00:01"),
    destination: parseMac("0a:00:00:00:00:02"),
    payload: { kind: "ipv4", source: parseAddress(source), destination: parseAddress(destination), ttl: 64, payload },
  });
const portsOf = (memory: MemorySwitch, frame = frameOf(), inPort = 1): number[] =>
  memory.process({ inPort, frame }).outputs.map(({ port }) => port);

test("changes are all or nothing, and refused by OpenFlow's names", () => {
  const { memory } = start(["table=0,priority=1 actions=output:2"]);
  const refused = (texts: readonly string[], reason: string): void =>
    assert.throws(
      () => memory.apply(flows("table=0,priority=9 actions=drop", ...texts)),
      (error) => error instanceof ChangesRefused && error.refused[0]?.reason === reason,
    );
  refused(["actions=group:5"], "OFPBAC_BAD_OUT_GROUP");
  refused(["actions=meter:5"], "OFPMMFC_INVALID_METER");
  refused(["tcp_dst=80 actions=drop"], "OFPBMC_BAD_PREREQ");
  refused(["actions=set_field:80->tcp_dst"], "OFPBAC_MATCH_INCONSISTENT");
  refused(["table=3 actions=goto_table:3"], "OFPBIC_BAD_TABLE_ID");
  refused(["table=0,priority=9,check_overlap,in_port=1 actions=drop"], "OFPFMFC_OVERLAP");
  assert.deepEqual(portsOf(memory), [2]);
  assert.equal(memory.dumpFlows().length, 1);
});

test("a frozen flow has its age and its counts in each switch, and loses them when it goes", () => {
  const flows = [1, 2, 3].map((port) => Object.freeze(parseFlow(`table=0,priority=5,in_port=${port} actions=output:2`)));
  const { memory, clock } = start([]);
  const add = (...numbers: readonly number[]): void =>
    memory.apply(numbers.map((number) => ({ command: "add", flow: flows[number - 1] as (typeof flows)[number] }) as const));
  const told = (): (readonly [number, bigint, bigint, number | undefined])[] =>
    memory
      .dumpFlows()
      .map(({ match, stats }) => [stats.duration, match.in_port as bigint, stats.packets, stats.idle] as const)
      .sort(([, one], [, other]) => Number(one - other));
  add(1);
  clock.advance(seconds(10));
  add(2, 3);
  clock.advance(seconds(5));
  assert.deepEqual(portsOf(memory, frameOf(), 1), [2]);
  assert.deepEqual(portsOf(memory, frameOf(), 3), [2]);
  clock.advance(seconds(1));
  assert.deepEqual(told(), [
    [16, 1n, 1n, 1],
    [6, 2n, 0n, 6],
    [6, 3n, 1n, 1],
  ]);
  memory.apply([{ command: "delete_strict", flow: flows[0] as (typeof flows)[number] }]);
  clock.advance(seconds(1));
  add(1, 2);
  assert.deepEqual(told(), [
    [0, 1n, 0n, 0],
    [0, 2n, 0n, 0],
    [7, 3n, 1n, 2],
  ]);
  // A change that is refused leaves what was there as it was.
  assert.throws(() =>
    memory.apply([
      { command: "add", flow: flows[2] as (typeof flows)[number] },
      { command: "add", flow: parseFlow("actions=group:5") },
    ]),
  );
  assert.deepEqual(told()[2], [7, 3n, 1n, 2]);
});

test("a frozen flow goes to several switches, each of which counts, checks and changes its own", () => {
  const flow = Object.freeze(parseFlow("table=0,priority=5,cookie=0x1,in_port=1 actions=output:2"));
  const [one, other] = [start([]).memory, start([]).memory];
  for (const memory of [one, other]) memory.apply([{ command: "add", flow }]);
  assert.deepEqual([portsOf(one), portsOf(one), portsOf(other)], [[2], [2], [2]]);
  one.apply([{ command: "modify_strict", flow: { ...flow, actions: parseFlow("actions=output:3").actions } }]);
  assert.deepEqual([portsOf(one), portsOf(other)], [[3], [2]]);
  const counts = [one, other].map((memory) => memory.dumpFlows().map(({ stats }) => stats.packets));
  assert.deepEqual(counts, [[3n], [2n]]);
  // What a flow leads to is looked for in each of them.
  const grouped = Object.freeze(parseFlow("table=0,priority=6 actions=group:1"));
  one.apply([
    { command: "add", group: parseGroup("group_id=1,type=all,bucket=actions=output:2") },
    { command: "add", flow: grouped },
  ]);
  assert.throws(() => other.apply([{ command: "add", flow: grouped }]), ChangesRefused);
  const small = start([], { tables: 3 }).memory;
  const late = Object.freeze(parseFlow("table=5 actions=drop"));
  one.apply([{ command: "add", flow: late }]);
  assert.throws(() => small.apply([{ command: "add", flow: late }]), ChangesRefused);
});

test("a deleted group takes its flows along", () => {
  const { memory } = start([]);
  memory.apply([
    { command: "add", group: parseGroup("group_id=1,type=all,bucket=actions=output:2,bucket=actions=output:3") },
    ...flows("actions=group:1"),
  ]);
  assert.deepEqual(portsOf(memory), [2, 3]);
  memory.apply([{ command: "delete", group: 1 }]);
  assert.deepEqual([portsOf(memory), memory.dumpFlows()], [[], []]);
});

test("flows end by their timeouts, and learned ones too", () => {
  const { memory, clock } = start([
    "table=0,idle_timeout=10 actions=learn(table=1,hard_timeout=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),output:2",
    "table=2,hard_timeout=3 actions=drop",
  ]);
  const tables = (): number[] => memory.dumpFlows().map(({ table }) => table);
  portsOf(memory);
  assert.deepEqual(tables(), [0, 1, 2]);
  clock.advance(seconds(4));
  assert.deepEqual(tables(), [0, 1]);
  portsOf(memory);
  clock.advance(seconds(4));
  assert.deepEqual(tables(), [0, 1], "the same packet renewed what it taught");
  clock.advance(seconds(4));
  assert.deepEqual(tables(), [0]);
  clock.advance(seconds(3));
  assert.deepEqual(tables(), []);
});

test("learned flows stop at their limit", () => {
  const { memory } = start([
    "actions=learn(table=1,limit=2,result_dst=NXM_NX_REG0[0],NXM_OF_IP_SRC[],eth_type=0x800),goto_table:2",
    "table=2,reg0=1 actions=output:2",
    "table=2,reg0=0 actions=output:3",
  ]);
  assert.deepEqual(
    [1, 2, 3, 1].map((host) => portsOf(memory, frameOf(udp, `10.0.0.${host}`))),
    [[2], [2], [3], [2]],
  );
});

test("a meter lets its burst through, then its rate", () => {
  const { memory, clock } = start([]);
  memory.apply([
    { command: "add", meterMod: { command: "add", meter: { meter: 1, unit: "pktps", bands: [{ type: "drop", rate: 10, burst: 3 }] } } },
    ...flows("actions=meter:1,output:2"),
  ]);
  const passed = (count: number): number =>
    Array.from({ length: count }, () => portsOf(memory).length).reduce((sum, each) => sum + each, 0);
  assert.equal(passed(5), 3);
  clock.advance(100);
  assert.equal(passed(5), 1);
});

test("a connection is forgotten after its timeout, by state", () => {
  const rules = [
    "table=0,ip actions=ct(table=1)",
    "table=1,ct_state=+new,ip actions=ct(commit),output:2",
    "table=1,ct_state=+est,ip actions=output:3",
  ];
  const { memory, clock } = start(rules);
  const answer = frameOf({ kind: "udp", sourcePort: 53, destinationPort: 1_000, payload: new Uint8Array(4) }, "10.0.0.2", "10.0.0.1");
  assert.deepEqual([portsOf(memory), portsOf(memory, answer, 2), portsOf(memory)], [[2], [3], [3]]);
  clock.advance(seconds(29));
  assert.deepEqual(portsOf(memory), [3]);
  clock.advance(seconds(31));
  assert.deepEqual([memory.dumpConnections(), portsOf(memory)], [[], [2]]);
});

test("a paused packet goes on where it stopped, changed as the controller says", () => {
  const { memory } = start([
    "table=0,udp actions=set_field:7->reg1,controller(pause,userdata=01.02),set_field:10.9.9.9->ip_dst,goto_table:1",
    "table=1,reg1=7 actions=output:2",
    "table=1,reg1=8 actions=output:3",
  ]);
  const { outputs, packetIns } = memory.process({ inPort: 1, frame: frameOf() });
  const [packetIn] = packetIns;
  assert.deepEqual([outputs.length, packetIns.length, packetIn?.metadata.reg1, [...(packetIn?.userdata ?? [])]], [0, 1, 7n, [1, 2]]);
  if (packetIn?.continuation === undefined) return assert.fail("no continuation");
  const { continuation } = packetIn;
  const resumed = memory.resume({ ...packetIn, continuation, metadata: { ...packetIn.metadata, reg1: 8n } });
  assert.deepEqual(
    resumed.outputs.map(({ port, frame }) => [port, JSON.stringify(decodeFrame(frame)).includes('"destination":"10.9.9.9"')]),
    [[3, true]],
  );
  assert.deepEqual(memory.resume({ ...packetIn, continuation }).outputs, [], "a continuation is used once");
});

test("tunnels are told their destination, and packets know where they came from", () => {
  const { memory } = start(
    [
      "in_port=1,ip actions=set_field:192.0.2.9->tun_dst,set_field:5->tun_id,output:9",
      "in_port=9,tun_src=192.0.2.9,tun_id=5 actions=output:1",
    ],
    {
      ports: [{ number: 1 }, { number: 9, tunnel: true }],
    },
  );
  const out = memory.process({ inPort: 1, frame: frameOf() }).outputs;
  assert.deepEqual(out[0]?.tunnel, { id: 5n, destination: parseAddress("192.0.2.9") });
  const back = memory.process({
    inPort: 9,
    frame: frameOf(),
    tunnel: { id: 5n, source: parseAddress("192.0.2.9"), destination: parseAddress("192.0.2.1") },
  });
  assert.deepEqual(
    back.outputs.map(({ port }) => port),
    [1],
  );
});

test("an expired time to live goes to the controller", () => {
  const { memory } = start(["ip actions=dec_ttl,output:2"]);
  const frame = frameOf().map((byte, index) => (index === 22 ? 1 : byte));
  const { outputs, packetIns } = memory.process({ inPort: 1, frame });
  assert.deepEqual([outputs.length, packetIns[0]?.reason], [0, "invalid_ttl"]);
});

test("the trace tells the way in the words of ofproto/trace", () => {
  const { memory } = start(
    ["table=0,priority=10,ip actions=ct(table=1,zone=5)", "table=1,ct_state=+new+trk,udp actions=set_field:0x7->reg1,output:2"],
    {
      names: { tableName: (table) => ["Start", "State"][table] },
    },
  );
  const { trace } = memory.process({ inPort: 1, frame: frameOf() }, { trace: true });
  for (const line of [
    " 0(Start). ip, priority 10",
    "    ct(table=State,zone=5)",
    " 1(State). ct_state=+new+trk,udp, priority 32768",
    "    output:2",
    "Datapath actions: 2",
  ])
    assert.ok(trace.split("\n").includes(line), `${line}\n${trace}`);
  assert.equal(memory.process({ inPort: 1, frame: frameOf() }).trace, "");
});

test("circles end, and drop the packet", () => {
  const { memory } = start(["table=0 actions=output:2,resubmit(,0)", "table=1 actions=output:3"]);
  assert.deepEqual(portsOf(memory), []);
  assert.deepEqual(
    start(["actions=output:2,resubmit(,1)", "table=1 actions=resubmit(,0)"]).memory.process({ inPort: 1, frame: frameOf() }).outputs,
    [],
  );
});

test("with the cache or without, packets fare the same, and counters count", () => {
  const texts = [
    "table=0,priority=5,udp,tp_dst=53 actions=goto_table:1",
    "table=0,priority=4,ip,nw_src=10.0.0.0/30 actions=dec_ttl,output:3",
    "table=1,ip,nw_dst=10.0.0.2 actions=output:2",
  ];
  const [one, other] = [true, false].map((cache) => start(texts, { cache }).memory);
  if (one === undefined || other === undefined) return;
  for (let index = 0; index < 200; index++) {
    const frame = frameOf(
      { kind: "udp", sourcePort: 1, destinationPort: 50 + (index % 5), payload: new Uint8Array(index % 7) },
      `10.0.0.${index % 8}`,
      `10.0.0.${index % 3}`,
    );
    assert.deepEqual(one.process({ inPort: 1, frame }), other.process({ inPort: 1, frame }));
  }
  assert.deepEqual(one.dumpFlows(), other.dumpFlows());
  assert.equal(one.dumpFlows().reduce((sum, { stats }) => sum + Number(stats.packets), 0) > 100, true);
});

test("no frame makes it throw, hang or forget its bounds", () => {
  const { memory } = start([
    "table=0,ip actions=ct(table=1,nat)",
    "table=0,ipv6 actions=ct(table=1,nat)",
    "table=0,priority=1 actions=NORMAL",
    "table=1,tcp actions=set_field:9->tcp_dst,dec_ttl,ct(commit,nat(src=10.9.0.1-10.9.0.9)),ALL",
    "table=1,icmp6,icmp_type=135 actions=set_field:0a:00:00:00:00:09->nd_sll,ALL",
    "table=1,ip actions=set_field:10.1.1.1->ip_src,ct(commit),ALL",
    "table=1,ipv6 actions=set_field:fd00::9->ipv6_dst,ct(commit),ALL",
  ]);
  const head = fc.constantFrom("0800", "0800", "86dd", "86dd", "0806", "8100", "8847", "0010");
  const start4 = fc.constantFrom("", "4500", "4600003c0000000040", "60000000002006", "6000000000302c40", "0001080006040001");
  fc.assert(
    fc.property(head, start4, fc.uint8Array({ maxLength: 120 }), (type, first, rest) => {
      const frame = Uint8Array.from([...new Uint8Array(12), ...Buffer.from(type + first, "hex"), ...rest]);
      for (const { frame: out } of memory.process({ inPort: 1, frame }).outputs) assert.ok(out.length <= frame.length + 4);
    }),
    { numRuns: 2_000 },
  );
});
