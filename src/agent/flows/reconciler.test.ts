import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger } from "#core/pipeline/group-ledger.ts";
import { compileSkeleton, createPipeline, entryTable, type Pipeline } from "#core/pipeline/index.ts";
import { type BundledChange, bundleLimit, connectOpenFlow } from "#lib/openflow/connection.ts";
import { type Flow, flowKey, sameFlow } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { milliseconds, seconds, silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { createDriftLog } from "../drift.ts";
import { type FlowReconcilerOptions, type FlowTarget, reconcileFlows } from "./reconciler.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const pipeline = createPipeline();

let ovs: PrivateSwitch;
before(async () => {
  ovs = await startPrivateSwitch();
});
after(() => ovs.stop());

const drop = (table: number, port: bigint, actions: Flow["actions"] = []): Flow => ({
  table,
  priority: 7,
  cookie: 0n,
  match: { in_port: port },
  actions,
});
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const giveUp = withinSeconds(); !(await condition()); await turn()) giveUp.throwIfAborted();
}
const withinSeconds = () => AbortSignal.timeout(amplePatience);

async function inSwitch(): Promise<Map<string, Flow>> {
  const connection = await connectOpenFlow({ runtime, path: ovs.management("br0") });
  const flows = new Map<string, Flow>();
  for await (const flow of connection.dumpFlows()) flows.set(flowKey(flow), flow);
  connection.close();
  return flows;
}

async function assertEqual(ledger: ReturnType<typeof createFlowLedger>): Promise<void> {
  const present = await inSwitch();
  assert.equal(present.size, ledger.size);
  for (const [key, flow] of ledger.flows()) {
    const found = present.get(key);
    assert.ok(found !== undefined && sameFlow(found, flow), key);
  }
}

type Given = { complete: boolean; of?: Pipeline } & Partial<Pick<FlowReconcilerOptions, "auditEvery" | "drift" | "connect" | "entersBy">>;

async function started(options: Given) {
  const stop = new AbortController();
  const ledger = createFlowLedger();
  const connections: { close(): void }[] = [];
  const connect = async (signal: AbortSignal) => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    connections.push(connection);
    return connection;
  };
  const { complete, of = pipeline, ...rest } = options;
  ledger.set("skeleton", compileSkeleton(of));
  const reconciler = reconcileFlows({
    runtime,
    ledger,
    connect,
    tables: of.tables.map(({ number }) => number),
    signal: stop.signal,
    ...rest,
  });
  if (complete) reconciler.complete();
  if (complete || rest.entersBy === undefined) await reconciler.whenApplied({ signal: withinSeconds() });
  return { ledger, reconciler, connections, stop: () => stop.abort() };
}

test("foreign flows stay until all sources have spoken, right ones are never touched", async () => {
  await ovs.ofctl("add-flow", "br0", "table=99,priority=1,actions=drop");
  const { ledger, reconciler, stop } = await started({ complete: false });
  assert.equal((await inSwitch()).size, ledger.size + 1);
  reconciler.complete();
  await reconciler.whenApplied({ signal: withinSeconds() });
  await assertEqual(ledger);
  stop();
  const begun = performance.now();
  const again = await started({ complete: true });
  const oldest = Math.ceil(performance.now() - begun);
  const connection = await connectOpenFlow({ runtime, path: ovs.management("br0") });
  for await (const { stats } of connection.dumpFlows()) assert.ok(stats.duration * 1_000 > oldest, "a flow was made anew");
  connection.close();
  again.stop();
});

test("changes arrive in the switch, each ledger state is reached", async () => {
  const { ledger, reconciler, stop } = await started({ complete: true });
  for (let round = 0; round < 20; round++) {
    ledger.set("a", [drop(0, BigInt(round % 3)), drop(1, 9n, round % 2 === 0 ? [] : [{ type: "output", port: 3 }])]);
    if (round % 4 === 0) ledger.remove("a");
    await reconciler.whenApplied({ signal: withinSeconds() });
    await assertEqual(ledger);
  }
  stop();
});

test("a flow that the switch refuses is kept as data and blocks no other", async () => {
  const { ledger, reconciler, stop } = await started({ complete: true });
  // Without its prerequisite eth_type a port cannot be matched.
  ledger.set("bad", [{ table: 0, priority: 7, cookie: 0n, match: { ip_proto: 6n, tcp_dst: 80n }, actions: [] }]);
  ledger.set("good", [drop(0, 5n)]);
  await assert.rejects(reconciler.whenApplied({ owners: ["bad"], signal: withinSeconds() }), { code: "FLOWS_REFUSED" });
  await reconciler.whenApplied({ owners: ["good"], signal: withinSeconds() });
  assert.equal(reconciler.status().refused.length, 1);
  assert.equal((await inSwitch()).size, ledger.size - 1);
  ledger.remove("bad");
  await reconciler.whenApplied({ signal: withinSeconds() });
  assert.equal(reconciler.status().refused.length, 0);
  stop();
});

test("after a lost connection everything is compared and repaired", async () => {
  const { ledger, reconciler, connections, stop } = await started({ complete: true });
  await ovs.ofctl("del-flows", "br0");
  await ovs.ofctl("add-flow", "br0", "table=3,priority=1,actions=drop");
  connections[0]?.close();
  ledger.set("a", [drop(2, 1n)]);
  await reconciler.whenApplied({ signal: withinSeconds() });
  await assertEqual(ledger);
  stop();
});

test("what a broken connection left of a change is made in its order by the next one, then what changed since, and then it compares", async () => {
  /** What each connection was asked: changes, as they came, and dumps. */
  const asked: (readonly BundledChange[] | "dump")[][] = [];
  const away = Promise.withResolvers<void>();
  const connect = async (signal: AbortSignal): Promise<FlowTarget> => {
    const calls: (readonly BundledChange[] | "dump")[] = [];
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    if (asked.push(calls) === 2) await away.promise;
    return {
      ...connection,
      dumpFlows(filter) {
        calls.push("dump");
        return connection.dumpFlows(filter);
      },
      change(changes, options) {
        calls.push(changes);
        const onCommitted = (count: number): void => {
          options?.onCommitted?.(count);
          if (asked.length === 1 && count < changes.length) connection.close();
        };
        return connection.change(changes, { onCommitted });
      },
    };
  };
  const { ledger, reconciler, stop } = await started({ complete: true, connect });
  const many = Array.from({ length: 2_400 }, (_, number) => drop(number % 7, BigInt(number)));
  ledger.set("many", many);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  ledger.set("many", many.slice(1));
  ledger.set("more", [drop(1, 5_000n), drop(3, 5_000n)]);
  away.resolve();
  await reconciler.whenApplied({ signal: withinSeconds() });
  const cut = asked[0]?.at(-1);
  const [left, since, then] = asked[1] ?? [];
  assert.ok(Array.isArray(cut) && Array.isArray(left) && Array.isArray(since));
  assert.deepEqual(left, cut.slice(bundleLimit));
  assert.deepEqual(
    since.map(({ command, flow }) => [command, flow.table]),
    [
      ["add", 3],
      ["add", 1],
      ["delete_strict", 0],
    ],
  );
  assert.equal(then, "dump");
  await assertEqual(ledger);
  stop();
});

test("what somebody else changes is told by the switch and repaired at once", async () => {
  const drift = createDriftLog(silentLogger);
  // Far away audits: it is the switch that tells.
  const { ledger, stop } = await started({ complete: true, auditEvery: seconds(600), drift });
  await ovs.ofctl("del-flows", "br0", "table=0");
  await ovs.ofctl("add-flow", "br0", "table=1,priority=1,actions=drop");
  await ovs.ofctl("mod-flows", "br0", "table=2,actions=drop");
  await ovs.ofctl("add-meter", "br0", "meter=7,kbps,band=type=drop,rate=1000");
  await ovs.ofctl("add-group", "br0", "group_id=9,type=all,bucket=actions=drop");
  await becomes(ledger);
  const found = (target: string, finding: string) =>
    drift.counts().find((each) => each.target === target && each.finding === finding)?.count ?? 0;
  assert.ok(found("flow", "missing") > 0);
  assert.equal(found("flow", "unknown"), 1);
  const deadline = withinSeconds();
  const others = async () => (await ovs.ofctl("dump-groups", "br0")) + (await ovs.ofctl("dump-meters", "br0"));
  while (/group_id=9|meter=7/.test(await others())) deadline.throwIfAborted();
  assert.equal(found("group", "unknown"), 1);
  assert.equal(found("meter", "unknown"), 1);
  stop();
});

test("an audit reads page by page and finds what was not told", async () => {
  // A connection whose switch tells nothing.
  const deaf = async (signal: AbortSignal) => ({
    ...(await connectOpenFlow({ runtime, path: ovs.management("br0"), signal })),
    monitorFlows: () => Promise.resolve(() => Promise.resolve()),
  });
  const { ledger, stop } = await started({ complete: true, auditEvery: seconds(1), connect: deaf });
  await ovs.ofctl("del-flows", "br0", "table=0");
  await ovs.ofctl("add-flow", "br0", "table=1,priority=1,actions=drop");
  await becomes(ledger);
  stop();
});

test("who asks for changes of the switch hears of ours and of repairs, and of no audit", async () => {
  const heard = { changes: 0, looks: 0, settled: 0 };
  const connect = async (signal: AbortSignal): Promise<FlowTarget> => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    return {
      ...connection,
      dumpFlows(filter) {
        heard.looks++;
        return connection.dumpFlows(filter);
      },
    };
  };
  const { ledger, reconciler, stop } = await started({ complete: true, auditEvery: milliseconds(200), connect });
  reconciler.onChanged(() => heard.changes++);
  reconciler.onSettled(() => heard.settled++);
  /** Resolves after more looks at the switch than any change takes. */
  const looksPass = async (): Promise<void> => {
    const deadline = withinSeconds();
    for (const until = heard.looks + 20; heard.looks < until; await turn()) deadline.throwIfAborted();
  };
  await looksPass();
  // The first comparison may be told before or after the listener came.
  Object.assign(heard, { changes: 0, settled: 0 });
  await looksPass();
  assert.deepEqual([heard.changes, heard.settled], [0, 0]);
  ledger.set("a", [drop(0, 5n)]);
  await reconciler.whenApplied({ signal: withinSeconds() });
  assert.equal(heard.changes, 1);
  await ovs.ofctl("del-flows", "br0", "table=0");
  await becomes(ledger);
  await looksPass();
  assert.equal(heard.changes, 2);
  await looksPass();
  assert.equal(heard.changes, 2);
  stop();
});

async function becomes(ledger: ReturnType<typeof createFlowLedger>): Promise<void> {
  const deadline = withinSeconds();
  for (;;) {
    const present = await inSwitch();
    if (
      present.size === ledger.size &&
      [...ledger.flows()].every(([key, flow]) => present.has(key) && sameFlow(present.get(key) ?? flow, flow))
    )
      return;
    deadline.throwIfAborted();
  }
}

test("groups come before the flows that lead to them and go after; audits and reconnects repair them", async () => {
  const stop = new AbortController();
  const ledger = createFlowLedger();
  const groups = createGroupLedger();
  const group = (number: number, value: bigint): Group => ({
    group: number,
    type: "select",
    buckets: [{ id: 0, weight: 1, actions: [{ type: "set_field", field: "reg5", value }] }],
  });
  const to = (number: number): Flow => drop(3, BigInt(number), [{ type: "group", group: number }]);
  const connections: { close(): void }[] = [];
  const connect = async (signal: AbortSignal) => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    connections.push(connection);
    return connection;
  };
  groups.set("a", [group(1, 1n), group(2, 1n)]);
  ledger.set("a", [to(1), to(2)]);
  const reconciler = reconcileFlows({
    runtime,
    ledger,
    groups,
    connect,
    tables: pipeline.tables.map(({ number }) => number),
    signal: stop.signal,
    auditEvery: seconds(1),
  });
  const present = async (): Promise<string> =>
    [...(await ovs.ofctl("dump-groups", "br0")).matchAll(/group_id=(\d+).*?set_field:(\w+)/g)]
      .map(([, id, value]) => `${id}=${value}`)
      .sort()
      .join(" ");
  const settles = async (expected: string): Promise<void> => {
    await reconciler.whenApplied({ signal: withinSeconds() });
    const deadline = withinSeconds();
    while ((await present()) !== expected || (await inSwitch()).size !== ledger.size) deadline.throwIfAborted();
    await assertEqual(ledger);
  };
  reconciler.complete();
  await settles("1=0x1 2=0x1");
  groups.set("a", [group(2, 7n), group(3, 1n)]);
  ledger.set("a", [to(2), to(3)]);
  await settles("2=0x7 3=0x1");
  // Flows go with a group that somebody else removes.
  await ovs.ofctl("del-groups", "br0", "group_id=2");
  await ovs.ofctl("add-group", "br0", "group_id=9,type=select,bucket=bucket_id:0,actions=set_field:1->reg5");
  await settles("2=0x7 3=0x1");
  await ovs.ofctl("del-groups", "br0");
  connections[0]?.close();
  await settles("2=0x7 3=0x1");
  stop.abort();
});

test("what is read back is as it should be, whatever changes meanwhile; what others did is found, told and repaired", async () => {
  const { ledger, reconciler, stop } = await started({ complete: true });
  const read = () => reconciler.readBack([0, 1, 2], withinSeconds());
  ledger.set(
    "many",
    Array.from({ length: 5_000 }, (_, port) => drop(1, BigInt(port + 1))),
  );
  await reconciler.whenApplied({ signal: withinSeconds() });
  const reading = read();
  for (let round = 0; round < 30; round++) {
    ledger.set("changing", [drop(round % 2, BigInt(9_000 + round))]);
    ledger.set("flapping", [drop(1, 8_000n, round % 2 === 0 ? [] : [{ type: "output", port: 3 }])]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await reading, []);

  // Of tables that are read nobody may tell: as where the switch loses what it was given.
  await ovs.ofctl("del-flows", "br0", "table=1,in_port=77");
  await reconciler.readBack([0, 1, 2], withinSeconds());
  assert.deepEqual(await read(), []);
  await assertEqual(ledger);
  await assert.rejects(reconciler.readBack([0], AbortSignal.abort(new Error("enough"))), /enough/);
  stop();
});

test("flows of another layout forward until all of the new ones are there, and then none of them, in one change", async () => {
  const before = await started({ complete: true });
  before.stop();
  const moved = createPipeline({ bank: 1 });
  const changes: BundledChange[][] = [];
  const connect = async (signal: AbortSignal): Promise<FlowTarget> => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    return {
      ...connection,
      change(some, options) {
        changes.push([...some]);
        return connection.change(some, options);
      },
    };
  };
  const entry = async (): Promise<Map<string, Flow>> => new Map([...(await inSwitch())].filter(([, { table }]) => table === entryTable));
  const old = await entry();
  const { ledger, reconciler, stop } = await started({ complete: false, of: moved, entersBy: entryTable, connect });
  let applied = false;
  const first = reconciler.whenApplied({ signal: withinSeconds() }).then(() => {
    applied = true;
  });
  await until(async () => (await inSwitch()).size === before.ledger.size + ledger.size - old.size);
  ledger.set("late", [drop(entryTable, 5n), drop(moved.table("Output"), 5n)]);
  await until(async () => (await inSwitch()).has(flowKey(drop(moved.table("Output"), 5n))));
  assert.deepEqual([...(await entry()).keys()].sort(), [...old.keys()].sort());
  assert.ok([...(await entry())].every(([key, flow]) => sameFlow(flow, old.get(key) as Flow)));
  assert.equal(applied, false);

  changes.length = 0;
  reconciler.complete();
  await first;
  await assertEqual(ledger);
  const entering = changes.filter((some) => some.some((change) => "flow" in change && change.flow.table === entryTable));
  assert.equal(entering.length, 1, "packets meet the old flows or the new ones");
  const removed = changes.flat().filter((change) => "flow" in change && change.command === "delete_strict");
  assert.equal(removed.length, before.ledger.size - old.size);
  assert.ok((entering[0]?.length ?? 0) < bundleLimit);
  stop();
  const again = await started({ complete: true });
  again.stop();
});
