import assert from "node:assert/strict";
import { test } from "node:test";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import type { FlowFilter } from "#lib/openflow/connection.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { createReading } from "./reading.ts";
import { createWritten } from "./written.ts";

const flow = (table: number, port: number, cookie = 1n): Flow => ({
  table,
  priority: 7,
  cookie,
  match: { in_port: BigInt(port) },
  actions: [],
});

/** A switch that holds `flows`, to be read table by table. */
const holding = (flows: readonly Flow[]) => ({
  tables: () =>
    Promise.resolve(
      [...Map.groupBy(flows, ({ table }) => table)].map(([table, inTable]) => ({ table, flows: inTable.length, lookups: 0n, matches: 0n })),
    ),
  async *dumpFlows({ table, cookie = 0n, cookieMask = 0n, match = {} }: FlowFilter = {}) {
    for (const each of flows)
      if (
        each.table === table &&
        (each.cookie & cookieMask) === (cookie & cookieMask) &&
        (match.in_port === undefined || match.in_port === each.match.in_port)
      )
        yield { ...each, stats: { duration: 1, packets: 0n, bytes: 0n } } as never;
  },
});

async function readAll(reading: ReturnType<typeof createReading>, flows: readonly Flow[]): Promise<void> {
  const connection = holding(flows) as unknown as Parameters<typeof reading.step>[0];
  while (!(await reading.step(connection)));
}

test("what is missing, other than it should be or unknown is found in the tables that are read", async () => {
  const ledger = createFlowLedger();
  ledger.set("wanted", [flow(1, 1), flow(1, 2), flow(2, 3), flow(9, 9)]);
  const reading = createReading({ ledger, tables: new Set([1, 2]) });
  await readAll(reading, [flow(1, 1), flow(1, 2, 5n), flow(1, 4), flow(8, 8)]);
  assert.deepEqual(
    reading.differences().map(({ finding, item }) => `${finding} ${item.table}/${item.match.in_port}`),
    ["changed 1/2", "unknown 1/4", "missing 2/3"],
  );
});

test("what changes while it is read says nothing; what the ledger was ahead with says what it says in the end", async () => {
  const ledger = createFlowLedger();
  ledger.set("wanted", [flow(1, 1), flow(1, 2)]);
  const reading = createReading({ ledger, tables: new Set([1]) });
  // Wanted by now, and not told yet when it is read.
  ledger.set("new", [flow(1, 3)]);
  ledger.set("wanted", [flow(1, 1), flow(1, 2, 6n)]);
  await readAll(reading, [flow(1, 1), flow(1, 2)]);
  assert.deepEqual(
    reading.differences().map(({ finding }) => finding),
    ["changed", "missing"],
  );
  const { add, remove } = ledger.takeChange();
  reading.touch(add);
  reading.touch(remove);
  assert.deepEqual(reading.differences(), []);
});

test("tables without a flow are read, too", async () => {
  const ledger = createFlowLedger();
  ledger.set("wanted", [flow(1, 1)]);
  const reading = createReading({ ledger, tables: new Set([1]) });
  await readAll(reading, []);
  assert.equal(reading.differences()[0]?.finding, "missing");
});

test("of what was written alone, what is missing, other than it should be or unknown is found", async () => {
  const ledger = createFlowLedger();
  const others = Array.from({ length: 100 }, (_, index) => flow(1, 100 + index, BigInt(100 + index)));
  ledger.set("wanted", [flow(1, 1, 11n), flow(1, 2, 12n), flow(1, 3, 13n), ...others]);
  const read = async (writes: readonly Flow[]) => {
    const written = createWritten([1, 2, 3], flowKey);
    assert.equal(written.take([1]), undefined);
    written.note(writes);
    const reading = createReading({ ledger, tables: new Set([1]), written: written.take([1]) });
    // Nothing of the others is there.
    await readAll(reading, [{ ...flow(1, 1, 11n), idleTimeout: 5 }, flow(1, 2, 12n), flow(1, 4, 14n), flow(1, 5, 12n)]);
    return reading.differences().map(({ finding, item }) => `${finding} ${item.match.in_port}`);
  };
  assert.deepEqual(await read([]), []);
  assert.deepEqual(await read([flow(1, 2, 12n)]), []);
  assert.deepEqual(await read([flow(1, 1, 11n), flow(1, 3, 13n), flow(1, 4, 14n)]), ["changed 1", "unknown 4", "missing 3"]);
});

test("of a large table no more is read than what was written, many at once", async () => {
  const ledger = createFlowLedger();
  // Ten flows have each cookie.
  const all = Array.from({ length: 5_000 }, (_, port) => flow(1, port, BigInt(port % 500)));
  ledger.set("wanted", all);
  const writes = all.filter((_, port) => port % 20 === 0 || port % 500 === 7);
  const reading = createReading({ ledger, tables: new Set([1]), written: new Map(writes.map((each) => [flowKey(each), each])) });
  const inSwitch = holding(all.slice(1));
  const read: Flow[] = [];
  let steps = 0;
  const connection = {
    ...inSwitch,
    async *dumpFlows(filter: FlowFilter) {
      for await (const each of inSwitch.dumpFlows(filter)) {
        read.push(each);
        yield each;
      }
    },
  } as unknown as Parameters<typeof reading.step>[0];
  while (!(await reading.step(connection))) steps++;
  assert.deepEqual(
    reading.differences().map(({ finding, item }) => `${finding} ${item.match.in_port}`),
    ["missing 0"],
  );
  assert.equal(read.length, writes.length - 1);
  assert.ok(steps < 30, `${steps} steps`);
});

test("small tables in which much was written are read whole", async () => {
  const ledger = createFlowLedger();
  ledger.set("wanted", [flow(1, 1, 11n), flow(1, 2, 12n)]);
  const written = new Map([[flowKey(flow(1, 1, 11n)), flow(1, 1, 11n)]]);
  const reading = createReading({ ledger, tables: new Set([1, 2]), written });
  await readAll(reading, [flow(1, 1, 11n), flow(1, 3, 13n), flow(2, 4)]);
  assert.deepEqual(
    reading.differences().map(({ finding, item }) => `${finding} ${item.table}/${item.match.in_port}`),
    ["unknown 1/3"],
  );
});
