import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { openObjects } from "../objects.ts";
import { gadget, namespace } from "../testing/tiny-kinds.ts";
import { StorageNotUsable } from "./errors.ts";
import { openSqliteStorage } from "./sqlite.ts";

const runtime = systemRuntime({ level: "error" });
const folder = mkdtempSync(join(tmpdir(), "apiserver-sqlite-"));
after(() => rmSync(folder, { recursive: true }));

test("what was committed is there after reopening, in full, and revisions go on", () => {
  const file = join(folder, "reopen.db");
  const first = openSqliteStorage({ file, runtime });
  assert.deepEqual([first.load().revision, [...first.load().records]], [0, []]);
  const record = { resource: "/pods", namespace: "shop", name: "web", json: '{"a":1}' };
  first.commit({ revision: 1, records: [record, { ...record, name: "db" }] });
  first.commit({
    revision: 3,
    records: [
      { ...record, json: '{"a":2}' },
      { ...record, name: "db", json: null },
    ],
  });
  first.close();
  const second = openSqliteStorage({ file, runtime });
  const state = second.load();
  assert.equal(state.revision, 3);
  assert.deepEqual(
    [...state.records].map((one) => ({ ...one })),
    [{ ...record, json: '{"a":2}' }],
  );
  second.close();
});

test("a file that is no database, or is in use, is refused by name", () => {
  const file = join(folder, "text.db");
  writeFileSync(file, "this is not a database, it is a text of some length".repeat(100));
  assert.throws(() => openSqliteStorage({ file, runtime }), StorageNotUsable);
  const used = join(folder, "used.db");
  const holder = openSqliteStorage({ file: used, runtime });
  assert.throws(() => openSqliteStorage({ file: used, runtime }), StorageNotUsable);
  holder.close();
});

const writeForever = join(import.meta.dirname, "../testing/write-forever.ts");
/** Kills of `npm test`; `KILLS=200` in a long run. */
const kills = Number(process.env.KILLS ?? 20);

test("no acknowledged write is lost, however often the process is killed", { timeout: kills * 20_000 }, async () => {
  const file = join(folder, "killed.db");
  const acknowledged: string[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const until = acknowledged.length + 3 + ((kill * 37) % 50);
    const writer = spawn(process.execPath, [writeForever, file, String(kill * 1_000_000)], { stdio: ["ignore", "pipe", "inherit"] });
    const before = acknowledged.length;
    for await (const line of createInterface({ input: writer.stdout })) if (acknowledged.push(line) === until) writer.kill("SIGKILL");
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, "exit");
    assert.ok(acknowledged.length > before);
  }
  const storage = openSqliteStorage({ file, runtime });
  const objects = openObjects({ runtime, resources: [namespace, gadget], storage });
  for (const line of acknowledged) {
    const [name = "", resourceVersion] = line.split(" ");
    const found = objects.get({ group: "test.antrea.io", resource: "gadgets" }, { namespace: "default", name });
    assert.equal(found?.metadata.resourceVersion, resourceVersion, line);
  }
  const versions = acknowledged.map((line) => Number(line.split(" ")[1]));
  assert.deepEqual(
    versions,
    versions.toSorted((left, right) => left - right),
  );
  storage.close();
});

const canTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

test("every acknowledgement follows a sync of what it acknowledges, as system calls show", {
  skip: !canTrace && "strace is not installed, or the kernel does not let it trace (ptrace)",
}, async () => {
  const trace = join(folder, "trace");
  const command = [
    "-f",
    "-e",
    "trace=write,pwrite64,fsync,fdatasync",
    "-s",
    "16",
    "-o",
    trace,
    process.execPath,
    writeForever,
    join(folder, "traced.db"),
  ];
  const writer = spawn("strace", command, { stdio: ["ignore", "pipe", "ignore"], detached: true });
  let acknowledged = 0;
  for await (const _ of createInterface({ input: writer.stdout })) {
    acknowledged++;
    if (acknowledged === 60) process.kill(-(writer.pid ?? 0), "SIGKILL");
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, "exit");
  // written to the log since the last sync
  let unsynced = false;
  let acknowledgements = 0;
  for (const line of readFileSync(trace, "utf8").split("\n")) {
    if (line.includes(" pwrite64(")) unsynced = true;
    // In two parts where another thread called in between.
    else if (/ f(data)?sync\(\d+\) += 0|<\.\.\. f(data)?sync resumed>\) += 0/.test(line)) unsynced = false;
    else if (/ write\(1, "g\d/.test(line)) {
      acknowledgements++;
      assert.equal(unsynced, false, `acknowledged before it was synced: ${line}`);
    }
  }
  assert.ok(acknowledgements >= 60);
});
