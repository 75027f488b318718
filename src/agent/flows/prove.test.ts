import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { connectOpenFlow, type FlowFilter } from "#lib/openflow/connection.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { type PrivateSwitch, startPrivateSwitch } from "#lib/openflow/testing/private-switch.ts";
import { appctl } from "#lib/ovsdb/index.ts";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { revalidated } from "../ovs/revalidate.ts";
import { prove } from "./prove.ts";
import { reconcileFlows } from "./reconciler.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

// A real switch is read back and revalidates.

const runtime = { ...systemRuntime(), logger: silentLogger };
const tables = [40, 41];
let ovs: PrivateSwitch;
before(async () => {
  ovs = await startPrivateSwitch();
});
after(() => ovs.stop());

const drop = (table: number, port: number, match: Flow["match"] = { in_port: BigInt(port) }): Flow => ({
  table,
  priority: 7,
  cookie: BigInt(port),
  match,
  actions: [],
});
const control = (command: string): Promise<string> => appctl({ runtime, path: ovs.control.switch, command });

async function started(context: TestContext) {
  const stop = new AbortController();
  context.after(() => stop.abort());
  const ledger = createFlowLedger();
  ledger.set("rules", [drop(40, 1), drop(41, 2)]);
  /** What was asked for, and what the answer had. */
  const read: { readonly filter: FlowFilter | undefined; readonly flows: Flow[] }[] = [];
  const connect = async (signal: AbortSignal) => {
    const connection = await connectOpenFlow({ runtime, path: ovs.management("br0"), signal });
    return {
      ...connection,
      async *dumpFlows(filter?: FlowFilter) {
        const flows: Flow[] = [];
        read.push({ filter, flows });
        for await (const flow of connection.dumpFlows(filter)) {
          flows.push(flow);
          yield flow;
        }
      },
    };
  };
  const reconciler = reconcileFlows({ runtime, ledger, connect, tables, signal: stop.signal });
  reconciler.complete();
  await reconciler.whenApplied({ signal: AbortSignal.timeout(amplePatience) });
  const proof = (options: { readonly cacheFresh?: () => Promise<void>; readonly policyOf?: (flow: Flow) => string | undefined } = {}) =>
    prove({
      clock: runtime.clock,
      reconciler,
      tables,
      policyOf: () => undefined,
      cacheFresh: () => revalidated(control),
      signal: AbortSignal.timeout(amplePatience),
      ...options,
    });
  return { ledger, reconciler, proof, read };
}

test("a switch that has what it should have, and has gone over its cache, proves it", async (context) => {
  const { proof } = await started(context);
  const { contradiction, doubt } = await proof();
  assert.deepEqual([contradiction, doubt], [undefined, undefined]);
});

test("a control socket that nobody answers at is a doubt, and told", async (context) => {
  const { proof } = await started(context);
  const path = `${ovs.directory}/none.ctl`;
  const { contradiction, doubt } = await proof({ cacheFresh: () => revalidated((command) => appctl({ runtime, path, command })) });
  assert.equal(contradiction, undefined);
  assert.match(doubt ?? "", /^what Open vSwitch has cached from before is not known: .*none\.ctl/);
});

test("a refused flow is its policy's failure where that is known, else a contradiction", async (context) => {
  const { ledger, reconciler, proof } = await started(context);
  // Without its prerequisite eth_type a port cannot be matched.
  ledger.set("bad", [drop(40, 9, { ip_proto: 6n, tcp_dst: 80n })]);
  await reconciler.whenApplied({ signal: AbortSignal.timeout(amplePatience) });
  assert.equal((await proof({ policyOf: ({ cookie }) => (cookie === 9n ? "policy" : undefined) })).contradiction, undefined);
  assert.match((await proof()).contradiction ?? "", /^1 flows of policies are not as they should be; missing: cookie=0x9, table=40/);
});

test("a further proof reads what was written since, found by the switch by cookie and match", async (context) => {
  const { ledger, reconciler, proof, read } = await started(context);
  const tcp = (port: number): Flow => drop(40, port, { eth_type: 0x800n, ip_proto: 6n, tcp_dst: BigInt(port) });
  const many = Array.from({ length: 50 }, (_, index) => tcp(1_000 + index));
  ledger.set("many", many);
  await reconciler.whenApplied({ signal: AbortSignal.timeout(amplePatience) });
  assert.equal((await proof()).contradiction, undefined);
  ledger.set("many", [...many.slice(1), { ...tcp(2_000), cookie: 7n }]);
  await reconciler.whenApplied({ signal: AbortSignal.timeout(amplePatience) });
  read.length = 0;
  assert.equal((await proof()).contradiction, undefined);
  assert.deepEqual(
    read.map(({ flows }) => flows.map(({ match }) => match.tcp_dst)),
    [[2_000n], []],
  );
  read.length = 0;
  assert.equal((await proof()).contradiction, undefined);
  assert.equal(read.length, 0);
});
