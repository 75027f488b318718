import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { connectOpenFlow } from "#lib/openflow/connection.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { milliseconds, silentLogger, sleep, systemRuntime } from "#lib/runtime/index.ts";
import { reconcileFlows } from "./reconciler.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const runtime = { ...systemRuntime(), logger: silentLogger };
const full = 5;
const room = 40;
const wanted = 1_500;

let ovs: PrivateSwitch;
before(async () => {
  ovs = await startPrivateSwitch();
});
after(() => ovs.stop());

const drop = (table: number, port: number): Flow => ({ table, priority: 7, cookie: 0n, match: { in_port: BigInt(port) }, actions: [] });
const patience = () => AbortSignal.timeout(amplePatience);

test("a full table refuses what is too much in the switch's words, takes the rest, and gets it when there is room", async () => {
  await ovs.vsctl("--id=@table", "create", "Flow_Table", `flow_limit=${room}`, "--", "set", "Bridge", "br0", `flow_tables:${full}=@table`);
  const stop = new AbortController();
  const ledger = createFlowLedger();
  let changes = 0;
  const reconciler = reconcileFlows({
    runtime,
    ledger,
    connect: async (signal) => {
      const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
      const change: typeof connection.change = (mods) => {
        changes++;
        return connection.change(mods);
      };
      return { ...connection, closed: connection.closed, change };
    },
    tables: [full, full + 1],
    signal: stop.signal,
  });
  try {
    reconciler.complete();
    ledger.set(
      "crowd",
      [...Array(wanted).keys()].map((port) => drop(full, port + 1)),
    );
    ledger.set(
      "others",
      [...Array(100).keys()].map((port) => drop(full + 1, port + 1)),
    );
    await reconciler.whenApplied({ owners: ["others"], signal: patience() });
    const { refused } = reconciler.status();
    assert.equal(refused.length, wanted - room);
    assert.ok(
      refused.every(({ reason, flow }) => /TABLE_FULL/.test(reason) && flow.table === full),
      refused[0]?.reason ?? "nothing is refused",
    );
    // Halves, not one try for each flow: 1 460 refusals in a few thousand bundles, each smaller than the one before.
    assert.ok(changes < 4 * wanted, `${changes} bundles`);
    await assert.rejects(reconciler.whenApplied({ owners: ["crowd"], signal: patience() }), {
      code: "FLOWS_REFUSED",
      message: /TABLE_FULL/,
    });
    await ovs.vsctl("clear", "Bridge", "br0", "flow_tables");
    const signal = patience();
    // It is tried again by itself, after a second at first.
    while (reconciler.status().refused.length > 0) {
      signal.throwIfAborted();
      await sleep(runtime.clock, milliseconds(20), signal);
    }
    await reconciler.whenApplied({ owners: ["crowd"], signal });
  } finally {
    stop.abort();
  }
});

test("an action that the switch does not know is refused in its words, and the rest of the bundle stands", async () => {
  const stop = new AbortController();
  const ledger = createFlowLedger();
  const connect = (signal: AbortSignal) => connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
  const reconciler = reconcileFlows({ runtime, ledger, connect, tables: [full], signal: stop.signal });
  try {
    reconciler.complete();
    // An action of an experimenter that nobody is, 8 bytes long after its header.
    const bytes = Uint8Array.from([0xff, 0xff, 0, 16, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0, 0, 0, 0]);
    ledger.set("strange", [{ ...drop(full, 1), actions: [{ type: "unknown", layer: "action", bytes }] }]);
    ledger.set("good", [drop(full, 2)]);
    await reconciler.whenApplied({ owners: ["good"], signal: patience() });
    await assert.rejects(reconciler.whenApplied({ owners: ["strange"], signal: patience() }), {
      code: "FLOWS_REFUSED",
      message: /BAD_VENDOR|BAD_EXPERIMENTER|BAD_TYPE/,
    });
    assert.equal(reconciler.status().refused.length, 1);
  } finally {
    stop.abort();
  }
});
