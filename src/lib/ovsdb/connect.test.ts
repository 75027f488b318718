import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { silentLogger, systemRuntime } from "#lib/runtime/index.ts";
import { appctl, connectOvsdb, namedUuid, one, openVSwitch, RpcFailed, SchemaMismatch, TransactionFailed } from "./index.ts";
import { createPrivateServer, type PrivateServer } from "./testing/private-server.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";

const run = promisify(execFile);
const runtime = { ...systemRuntime(), logger: silentLogger };
const deadline = (): AbortSignal => AbortSignal.timeout(amplePatience);
let server: PrivateServer;

before(async () => {
  server = await createPrivateServer();
  await server.start();
});
after(() => server.remove());

const connect = () => connectOvsdb({ runtime, path: server.path, database: openVSwitch, signal: deadline() });
const vsctl = async (...args: string[]): Promise<string> =>
  (await run("ovs-vsctl", ["--timeout=5", "--no-wait", `--db=unix:${server.path}`, ...args])).stdout.trim();

const addBridge = (name: string) => {
  const [bridge, port, iface] = [namedUuid("bridge"), namedUuid("port"), namedUuid("interface")];
  return [
    { op: "insert", table: "Interface", as: iface, row: { name, type: "internal", external_ids: { a: "1" } } },
    { op: "insert", table: "Port", as: port, row: { name, interfaces: [iface] } },
    { op: "insert", table: "Bridge", as: bridge, row: { name, ports: [port], fail_mode: "secure" } },
    { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["bridges", "insert", [bridge]]] },
  ] as const;
};

test("what we write ovs-vsctl reads, and what it writes arrives here", async () => {
  const client = await connect();
  const replica = client.monitor({
    Bridge: ["name", "ports", "fail_mode", "external_ids", "protocols"],
    Port: ["name", "interfaces", "tag"],
    Interface: ["name", "type", "external_ids", "ofport_request"],
  });
  await replica.whenSynced();
  const [, , bridge] = await client.transact(addBridge("br0"));
  assert.equal(await vsctl("get", "Bridge", "br0", "_uuid"), bridge?.uuid);

  const made = await replica.until(({ Bridge }) => Bridge.by("name", "br0")[0], deadline());
  assert.equal(made.fail_mode, "secure");
  assert.equal(made.ports.length, 1);

  await vsctl(
    "add-port",
    "br0",
    "p1",
    "--",
    "set",
    "Interface",
    "p1",
    "type=internal",
    "ofport_request=7",
    "external_ids:x=y",
    "external_ids:z=w",
  );
  const added = await replica.until(({ Interface }) => Interface.by("name", "p1").find((row) => row.ofport_request === 7), deadline());
  assert.deepEqual(
    [...added.external_ids],
    [
      ["x", "y"],
      ["z", "w"],
    ],
  );
  await vsctl(
    "remove",
    "Interface",
    "p1",
    "external_ids",
    "x",
    "--",
    "set",
    "Interface",
    "p1",
    "external_ids:z=v",
    "--",
    "set",
    "Port",
    "p1",
    "tag=5",
  );
  const changed = await replica.until(({ Interface }) => Interface.by("name", "p1").find((row) => !row.external_ids.has("x")), deadline());
  assert.deepEqual([...changed.external_ids], [["z", "v"]]);
  assert.equal(replica.tables.Port.by("name", "p1")[0]?.tag, 5);
  assert.equal(replica.tables.Bridge.by("name", "br0")[0]?.ports.length, 2);
  await vsctl("set", "Bridge", "br0", "protocols=OpenFlow10,OpenFlow15", "--", "clear", "Bridge", "br0", "fail_mode");
  const opened = await replica.until(({ Bridge }) => Bridge.by("name", "br0").find((row) => row.fail_mode === undefined), deadline());
  assert.deepEqual([...opened.protocols].sort(), ["OpenFlow10", "OpenFlow15"]);

  const [selected] = await client.transact([{ op: "select", table: "Port", where: [["name", "==", "p1"]], columns: ["name", "tag"] }]);
  assert.deepEqual(selected?.rows, [{ name: "p1", tag: 5 }]);
  await vsctl("del-br", "br0");
  await replica.until(({ Interface }) => (Interface.size === 0 ? true : undefined), deadline());
  client.close();
});

test("a refused transaction says which operation and why, and changes nothing", async () => {
  const client = await connect();
  await assert.rejects(
    client.transact([
      { op: "insert", table: "Bridge", row: { name: "x", external_ids: { left: "over" } } },
      { op: "update", table: "Bridge", where: [], row: { fail_mode: "sometimes" } },
    ]),
    (error: unknown) => error instanceof TransactionFailed && error.error === "constraint violation" && error.operation === 1,
  );
  await assert.rejects(
    client.transact([
      { op: "wait", table: "Open_vSwitch", where: [], columns: ["next_cfg"], until: "==", rows: [{ next_cfg: 99 }], timeout: 0 },
    ]),
    (error: unknown) => error instanceof TransactionFailed && error.error === "timed out",
  );
  const [bridges] = await client.transact([{ op: "select", table: "Bridge", where: [] }]);
  assert.deepEqual(bridges?.rows, []);
  client.close();
});

test("concurrent batches share transactions, and one that fails does not take the others with it", async () => {
  const client = await connect();
  const outcomes = await Promise.allSettled([
    ...Array.from({ length: 20 }, (_, index) => client.batch(addBridge(`batch${index}`))),
    client.batch([{ op: "update", table: "Open_vSwitch", where: [], row: { next_cfg: "none" as unknown as number } }]),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [...Array.from({ length: 20 }, () => "fulfilled"), "rejected"],
  );
  const names = (await vsctl("list-br")).split("\n");
  assert.equal(names.length, 20);
  for (const name of names) await vsctl("del-br", name);
  client.close();
});

test("a replica keeps its rows while the server is away and is right again after it came back", async () => {
  const client = await connect();
  const replica = client.monitor({ Bridge: ["name"], Interface: ["name", "external_ids"] });
  await client.transact(addBridge("keep"));
  await client.transact(addBridge("drop"));
  await replica.until(({ Bridge }) => (Bridge.size === 2 ? true : undefined), deadline());
  const kept = replica.tables.Bridge.by("name", "keep")[0];

  await server.kill();
  await assert.rejects(client.transact(addBridge("nobody")), { code: "OVSDB_DISCONNECTED" });
  assert.equal(replica.tables.Bridge.size, 2);
  await server.start();
  await vsctl("del-br", "drop");
  await replica.until(({ Bridge }) => (Bridge.size === 1 ? true : undefined), deadline());
  assert.equal(replica.tables.Bridge.by("name", "keep")[0], kept, "an unchanged row stays the same object");
  if (!client.connected) await new Promise<void>((resolve) => client.onConnection((connected) => connected && resolve()));
  await client.transact([{ op: "comment", comment: "works again" }]);
  const waiting = replica.until(() => undefined);
  client.close();
  await assert.rejects(waiting, { code: "OVSDB_DISCONNECTED" });
});

test("a column that the server does not have is refused by name", async () => {
  const database = { name: "Open_vSwitch", tables: { Bridge: { name: one("integer") } } } as const;
  await assert.rejects(
    connectOvsdb({ runtime, path: server.path, database, signal: deadline() }),
    (error: unknown) => error instanceof SchemaMismatch && error.message.includes("Bridge.name is one string, not one integer"),
  );
});

test("a daemon is controlled as by ovs-appctl", async () => {
  const path = `${server.directory}/ovsdb.ctl`;
  assert.match(await appctl({ runtime, path, command: "version" }), /^ovsdb-server \(Open vSwitch\)/);
  await assert.rejects(appctl({ runtime, path, command: "no/such" }), RpcFailed);
  await assert.rejects(appctl({ runtime, path: `${path}.absent`, command: "version" }), { code: "OVSDB_DISCONNECTED" });
});
