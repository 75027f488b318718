import assert from "node:assert/strict";
import { test } from "node:test";
import { createPipeline } from "#core/pipeline/index.ts";
import { type IpAddress, parseAddress } from "#lib/ip/index.ts";
import type { FlushedConnections } from "#lib/openflow/connection.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { seededRandom, systemClock, virtualClock } from "#lib/runtime/index.ts";
import { connectionPurge } from "./connections.ts";

const pipeline = createPipeline();
const clock = virtualClock();
const table = pipeline.table("SctpReplies");
const sctp = 132n;
const reply = (source: string, destination: string): Flow => {
  const [from, to] = [source, destination].map(parseAddress);
  assert.ok(from && to);
  const ends = from.family === 4 ? { ip_src: from.value, ip_dst: to.value } : { ipv6_src: from.value, ipv6_dst: to.value };
  return {
    table,
    priority: 200,
    cookie: 0n,
    match: { eth_type: from.family === 4 ? 0x0800n : 0x86ddn, ip_proto: sctp, ...ends },
    actions: [],
  };
};

test("replies to SCTP that the switch learned of a pod's addresses go with the pod, and no others", async () => {
  const memory = createMemorySwitch({ clock, random: seededRandom(1), ports: [] });
  const connection = () => memoryConnection(memory, { clock });
  const others = [reply("10.10.0.6", "10.10.1.1"), reply("fd00:10::6", "fd00:10:1::1")];
  const own = [reply("10.10.0.5", "10.10.1.1"), reply("10.10.1.1", "10.10.0.5"), reply("fd00:10::6", "fd00:10::5")];
  await connection().change([...others, ...own].map((flow) => ({ command: "add", flow }) as const));
  // Until the pod's flows are gone, the switch may learn of what it has cached.
  const again = own.slice(0, 1).map((flow) => ({ command: "add", flow }) as const);
  const whenGone = (): Promise<void> => connection().change(again);
  const purge = connectionPurge({ clock: systemClock, pipeline, whenGone, connect: async () => connection() });
  await purge(["10.10.0.5", "fd00:10::5"].map(parseAddress));
  const left: unknown[] = [];
  for await (const { match } of connection().dumpFlows()) left.push(match);
  assert.deepEqual(
    left,
    others.map(({ match }) => match),
  );
});

/** What a purge asks of a switch, in order. */
function listener() {
  const asked: string[] = [];
  const connect = async () => ({
    change: async (changes: readonly unknown[]) => void asked.push(`${changes.length} changes`),
    flushConnections: async ({ source, reply }: FlushedConnections) => void asked.push(`forget ${source ?? reply?.source}`),
    close: () => void asked.push("closed"),
  });
  return { asked, connect };
}

test("tracked connections are forgotten only when no packet can begin them anew; pods that end together are one change", async () => {
  const { asked, connect } = listener();
  const gone = Promise.withResolvers<void>();
  const purge = connectionPurge({ clock: systemClock, pipeline, whenGone: () => gone.promise, connect });
  const both = ["10.10.0.5", "10.10.0.6"].map((address) => purge([parseAddress(address)]));
  await new Promise(setImmediate);
  assert.deepEqual(asked, []);
  gone.resolve();
  await Promise.all(both);
  const [first, second] = ["forget 10.10.0.5", "forget 10.10.0.6"];
  assert.deepEqual(asked, ["4 changes", first, first, first, first, second, second, second, second, "closed"]);
});

test("what the kernel tracks, it forgets also when the switch is away", async () => {
  const forgotten: string[] = [];
  const home = { deleteConntrack: async ({ address }: { readonly address: IpAddress }) => forgotten.push(String(address)) };
  const away = new Error("away");
  const purge = connectionPurge({ clock: systemClock, pipeline, home, whenGone: () => Promise.reject(away), connect: listener().connect });
  await assert.rejects(purge([parseAddress("10.10.0.5")]), away);
  assert.deepEqual(forgotten, ["10.10.0.5"]);
});

test("a pod's end waits for no switch that is away", async () => {
  const purge = connectionPurge({ clock, pipeline, whenGone: () => Promise.resolve(), connect: () => new Promise(() => {}) });
  const late = assert.rejects(purge([parseAddress("10.10.0.5")]), { message: "the switch takes no changes" });
  clock.advance(5_000);
  await late;
});
