import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import type { FlowMod } from "#lib/openflow/flow.ts";
import { createMemorySwitch } from "#lib/openflow/switch/index.ts";
import { addDummyPorts, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { seconds, seededRandom, silentLogger, systemRuntime, virtualClock } from "#lib/runtime/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { flow, setRegister } from "../flow-builder.ts";
import { createPipeline } from "../tables.ts";
import { type CopiedCategory, compilePacketInMeters, compilePacketInShares, copyToController, packetInCategories } from "./index.ts";

const pipeline = createPipeline();
const [loud, quiet, tunnel] = [5, 7, 9];
const receiver = 6;
/** A share is one packet a second, two at once. */
const rate = 4;
const meters = compilePacketInMeters(rate);
const mac = (port: number) => parseMac(`0a:00:00:00:00:0${port}`);

/** Whatever comes by port n is copied to the agent and leaves by the receiver's port, or, from the tunnel, by the one in its destination MAC. */
const programmed = (category: CopiedCategory): FlowMod[] => {
  const first = (match: { readonly in_port?: bigint; readonly eth_dst?: bigint }, to: number) =>
    flow(pipeline, "PipelineRootClassifier", {
      priority: match.eth_dst === undefined ? "normal" : "high",
      cookie: 0n,
      match,
      actions: [
        setRegister("outputPort", BigInt(to)),
        copyToController(pipeline, category, { metered: true }),
        { type: "output", port: receiver },
      ],
      next: "sent",
    });
  return [
    ...[loud, quiet].map((port) => first({ in_port: BigInt(port) }, receiver)),
    ...[loud, quiet].map((port) => first({ in_port: BigInt(tunnel), eth_dst: mac(port).value }, port)),
    ...[loud, quiet].flatMap((ofport) => compilePacketInShares(pipeline, { ofport })),
  ].map((each) => ({ command: "add", flow: each }));
};

for (const category of ["reject", "auditLog"] as const)
  test(`${category}: a pod that floods has its own share of what goes to the agent, and loses no packet for it`, () => {
    const clock = virtualClock();
    const ports = [loud, quiet, tunnel, receiver].map((number) => ({ number }));
    const memory = createMemorySwitch({ clock, random: seededRandom(1), ports });
    memory.apply(meters.map((meter) => ({ command: "add", meterMod: { command: "add", meter } })));
    memory.apply(programmed(category));
    const send = (inPort: number, to: number, count: number): { readonly copies: number; readonly passed: number } => {
      const frame = encodeFrame({
        source: mac(1),
        destination: mac(to),
        payload: {
          kind: "ipv4",
          source: parseAddress("10.0.0.1"),
          destination: parseAddress("10.0.0.2"),
          ttl: 64,
          payload: { kind: "udp", sourcePort: 1, destinationPort: 2, payload: new Uint8Array() },
        },
      });
      const all = Array.from({ length: count }, () => memory.process({ inPort, frame }));
      return {
        copies: all.flatMap(({ packetIns }) => packetIns).filter(({ userdata }) => userdata?.[0] === packetInCategories[category].number)
          .length,
        passed: all.flatMap(({ outputs }) => outputs).filter(({ port }) => port === receiver).length,
      };
    };
    assert.deepEqual(send(loud, receiver, 50), { copies: 2, passed: 50 });
    assert.deepEqual(send(quiet, receiver, 2), { copies: 2, passed: 2 }, "another pod");
    clock.advance(seconds(10));
    assert.deepEqual(send(tunnel, loud, 50), { copies: 2, passed: 50 }, "by the tunnel, to one pod");
    assert.deepEqual(send(tunnel, quiet, 2), { copies: 2, passed: 2 }, "by the tunnel, to another");
    clock.advance(seconds(10));
    const other = category === "reject" ? "auditLog" : "reject";
    send(loud, receiver, 50);
    memory.apply(programmed(other));
    assert.equal(
      memory.process({
        inPort: loud,
        frame: encodeFrame({
          source: mac(1),
          destination: mac(receiver),
          payload: { kind: "other", etherType: 0x88b5, bytes: new Uint8Array(46) },
        }),
      }).packetIns.length,
      1,
      "its share of the other category is untouched",
    );
  });

test("so it is in Open vSwitch", async (t) => {
  const ovs = await startPrivateSwitch();
  t.after(() => ovs.stop());
  await ovs.vsctl(...addDummyPorts([loud, quiet, receiver]));
  const connection = await connectOpenFlow({ runtime: { ...systemRuntime(), logger: silentLogger }, path: ovs.management("br0") });
  t.after(() => connection.close());
  await connection.setControllerId(packetInCategories.auditLog.number);
  const heard = new Map<number, number>();
  connection.onPacketIn(({ metadata }) => {
    const port = Number(metadata.in_port);
    heard.set(port, (heard.get(port) ?? 0) + 1);
  });
  await connection.meters(meters.map((meter) => ({ command: "add", meter })));
  await connection.flows(programmed("auditLog"));
  const send = async (port: number, count: number): Promise<void> => {
    const packet = `eth(src=${mac(1)},dst=${mac(receiver)}),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)`;
    await ovs.appctl("netdev-dummy/receive", `port${port}`, ...new Array<string>(count).fill(`in_port(${port}),${packet}`));
  };
  await send(loud, 50);
  await send(quiet, 2);
  const deadline = AbortSignal.timeout(amplePatience);
  const sent = async (): Promise<string> => /tx pkts=(\d+)/.exec(await ovs.ofctl("dump-ports", "br0", String(receiver)))?.[1] ?? "";
  for (let passed = ""; passed !== "52" || (heard.get(quiet) ?? 0) < 2; passed = await sent()) deadline.throwIfAborted();
  assert.ok((heard.get(loud) ?? 0) < 50, `${heard.get(loud)} copies`);
});
