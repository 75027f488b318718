import assert from "node:assert/strict";
import { test } from "node:test";
import { reconcileFlows } from "#agent/flows/reconciler.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { virtualRuntime } from "#lib/runtime/index.ts";
import { ChangesRefused, type FlowFilter, OpenFlowConnectionLost, type PacketIn } from "../connection.ts";
import { parseFlow, sameFlow } from "../flow.ts";
import type { FlowUpdate } from "../messages/monitor.ts";
import { memoryConnection } from "./memory-connection.ts";
import { createMemorySwitch } from "./memory-switch.ts";

function start() {
  const { clock, random } = virtualRuntime({ seed: 1 });
  const memory = createMemorySwitch({ clock, random, ports: [{ number: 1 }, { number: 2 }] });
  return { memory, connection: memoryConnection(memory, { clock }) };
}
const add = (text: string) => ({ command: "add", flow: parseFlow(text) }) as const;

test("what goes in comes out, filtered as asked", async () => {
  const { connection } = start();
  const flow = parseFlow(
    "table=2,cookie=0x12,priority=7,tcp,tcp_dst=0x50/0xfff0,reg0=0x1/0xf actions=load:0x5->NXM_NX_REG1[0..3],output:2",
  );
  await connection.flows([{ command: "add", flow }, add("table=3,cookie=0x22 actions=drop")]);
  const dumped = await Array.fromAsync(connection.dumpFlows({ table: 2 }));
  assert.equal(dumped.length, 1);
  assert.ok(dumped.every((each) => sameFlow(each, flow)));
  assert.equal((await connection.countFlows({ cookie: 2n, cookieMask: 0xfn })).flows, 2);
  await connection.flows([{ command: "delete", flow: { ...parseFlow("tcp actions=drop"), table: 255 } }]);
  assert.equal((await connection.countFlows()).flows, 1);
});

test("asked for a match, it tells flows that ask for as much or more, of any priority", async () => {
  const { connection } = start();
  const flows = [
    "priority=7,tcp,tcp_dst=80 actions=drop",
    "priority=8,tcp,tcp_dst=80 actions=drop",
    "priority=7,tcp,tcp_dst=80,reg0=1 actions=drop",
    "priority=7,tcp,tcp_dst=80/0xfff0 actions=drop",
    "priority=7,tcp,tcp_dst=81,reg0=1 actions=drop",
    "priority=7,udp,udp_dst=80 actions=drop",
    "priority=7,cookie=0x2,tcp,tcp_dst=80,reg0=2 actions=drop",
  ].map((text) => add(`table=2,${text}`));
  await connection.flows([...flows, add("table=3,tcp,tcp_dst=80 actions=drop")]);
  const { match } = parseFlow("tcp,tcp_dst=80 actions=drop");
  const found = async (filter: FlowFilter): Promise<unknown> =>
    (await Array.fromAsync(connection.dumpFlows(filter))).map((flow) => flows.findIndex(({ flow: other }) => sameFlow(flow, other))).sort();
  assert.deepEqual(await found({ table: 2, match }), [0, 1, 2, 6]);
  assert.deepEqual(await found({ table: 2, match, cookie: 2n, cookieMask: 3n }), [6]);
});

test("a bundle with one bad change changes nothing; without bundle the good ones stay", async () => {
  const { connection } = start();
  const mods = [add("table=1 actions=drop"), add("table=2,tcp_dst=1 actions=drop")];
  await assert.rejects(connection.flows(mods), ChangesRefused);
  assert.equal((await connection.countFlows()).flows, 0);
  await assert.rejects(connection.flows(mods, { bundle: false }), ChangesRefused);
  assert.equal((await connection.countFlows()).flows, 1);
});

test("a monitor tells what is there, what others change, and own changes by one number for each bundle", async () => {
  const { memory, connection } = start();
  memory.apply([add("table=1 actions=drop")]);
  const seen: FlowUpdate["event"][] = [];
  const stop = await connection.monitorFlows({ initial: true }, ({ event }) => void seen.push(event));
  memory.apply([add("table=2 actions=drop")]);
  await connection.flows([add("table=3 actions=drop"), add("table=5 actions=drop")]);
  await connection.flows([add("table=6 actions=drop")]);
  memory.apply([{ command: "delete", flow: parseFlow("table=2 actions=drop") }]);
  await stop();
  memory.apply([add("table=4 actions=drop")]);
  assert.deepEqual(seen, ["initial", "added", "own", "own", "removed"]);
});

test("controllers hear of packets and of flows that end", async () => {
  const { memory, connection } = start();
  const packets: PacketIn[] = [];
  const ended: string[] = [];
  connection.onPacketIn((packet) => void packets.push(packet));
  connection.onFlowRemoved(({ reason }) => void ended.push(reason));
  await connection.flows([add("send_flow_rem,actions=controller(userdata=07)")]);
  connection.deliver(memory.process({ inPort: 1, frame: new Uint8Array(60) }));
  await connection.packetOut({ packet: new Uint8Array(60), inPort: 1, actions: [{ type: "output", port: "TABLE" }] });
  await connection.flows([{ command: "delete", flow: parseFlow("actions=drop") }]);
  assert.deepEqual([packets.map(({ userdata }) => [...(userdata ?? [])]), ended], [[[7], [7]], ["delete"]]);
});

test("after the end every call rejects", async () => {
  const { connection } = start();
  connection.close();
  await assert.rejects(connection.flows([]), OpenFlowConnectionLost);
  assert.ok((await connection.closed) instanceof OpenFlowConnectionLost);
});

test("the agent's reconciler keeps its flows as it does in a real switch", async () => {
  const still = virtualRuntime({ seed: 1 });
  // Time stands still; turns of the event loop go on.
  const runtime = { ...still, clock: { ...still.clock, soon: (run: () => void) => void setImmediate(run) } };
  const memory = createMemorySwitch({ ...runtime, ports: [{ number: 1 }] });
  memory.apply([add("table=1,priority=5 actions=drop"), add("table=9,priority=6 actions=drop")]);
  const ledger = createFlowLedger();
  const wanted = [
    "table=1,priority=5 actions=output:1",
    "table=2,ip,nw_dst=10.0.0.0/8 actions=load:0x7->NXM_NX_REG1[0..3],goto_table:3",
  ].map((text) => parseFlow(text));
  ledger.set("one", wanted);
  const end = new AbortController();
  const reconciler = reconcileFlows({
    runtime,
    ledger,
    connect: () => Promise.resolve(memoryConnection(memory, runtime)),
    tables: [1, 2, 9],
    signal: end.signal,
  });
  reconciler.complete();
  await reconciler.whenApplied();
  const settled = new Promise<void>((resolve) => void reconciler.onSettled(resolve));
  ledger.set("two", [parseFlow("table=2,priority=3 actions=drop")]);
  await settled;
  await reconciler.whenApplied();
  const found = memory.dumpFlows();
  end.abort();
  assert.equal(found.length, 3);
  for (const flow of wanted) assert.ok(found.some((each) => sameFlow(each, flow)));
  assert.deepEqual(reconciler.status().refused, []);
});
