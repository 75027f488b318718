import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#lib/runtime/index.ts";
import { connectMemoryDatabase, createMemoryDatabase, namedUuid, openVSwitch } from "./index.ts";

// What our programs do with ovsdb-server, in memory.

const start = () => {
  const memory = createMemoryDatabase({ database: openVSwitch, random: seededRandom(1), roots: ["Open_vSwitch"] });
  memory.transact([{ op: "insert", table: "Open_vSwitch", row: {} }]);
  return { memory, client: connectMemoryDatabase({ database: openVSwitch, memory }) };
};
const followed = { Bridge: ["name", "ports"], Port: ["name", "interfaces", "external_ids"] } as const;
const [bridge, port, iface] = [namedUuid("b"), namedUuid("p"), namedUuid("i")];
const addBridge = [
  { op: "insert", table: "Interface", as: iface, row: { name: "eth1", ofport_request: 7 } },
  { op: "insert", table: "Port", as: port, row: { name: "eth1", interfaces: [iface], external_ids: { of: "web" } } },
  { op: "insert", table: "Bridge", as: bridge, row: { name: "br", ports: [port] } },
  { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["bridges", "insert", [bridge]]] },
] as const;

test("a transaction with names is told to replicas whole; rows go with their last reference", async () => {
  const { memory, client } = start();
  const replica = client.monitor(followed);
  await client.transact(addBridge);
  const [row] = replica.tables.Bridge.by("name", "br");
  const found = replica.tables.Port.get(row?.ports[0] ?? "");
  assert.deepEqual([found?.name, found?.external_ids.get("of")], ["eth1", "web"]);
  await client.transact([
    { op: "mutate", table: "Bridge", where: [["name", "==", "br"]], mutations: [["ports", "delete", [found?.uuid ?? ""]]] },
  ]);
  assert.equal(replica.tables.Port.size, 0);
  assert.equal([...memory.rows("Interface")].length, 0);
});

test("a transaction that fails changes nothing", async () => {
  const { memory, client } = start();
  await client.transact(addBridge);
  const wrong = {
    op: "wait",
    table: "Bridge",
    where: [["name", "==", "br"]],
    columns: ["name"],
    until: "==",
    rows: [{ name: "other" }],
  } as const;
  await assert.rejects(client.transact([{ op: "delete", table: "Bridge", where: [] }, wrong]), { code: "OVSDB_TRANSACTION" });
  assert.equal([...memory.rows("Bridge")].length, 1);
});

test("a connection that is lost leaves fates unknown, and a replica that is repaired when it is back", async () => {
  const { memory, client } = start();
  const replica = client.monitor(followed);
  await replica.whenSynced();
  const underWay = client.transact(addBridge);
  client.lose();
  await assert.rejects(underWay, { code: "OVSDB_DISCONNECTED" });
  await assert.rejects(client.transact([]), { code: "OVSDB_DISCONNECTED" });
  memory.transact(addBridge);
  assert.equal(replica.tables.Bridge.size, 0);
  client.restore();
  await replica.until(({ Bridge }) => Bridge.by("name", "br")[0]);
});
