import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

test("no acknowledged write is lost when the process is killed", async () => {
  const file = join(folder, "killed.db");
  const writer = spawn(process.execPath, [join(import.meta.dirname, "../testing/write-forever.ts"), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const acknowledged: string[] = [];
  const lines = createInterface({ input: writer.stdout });
  for await (const line of lines) {
    acknowledged.push(line);
    if (acknowledged.length === 200) writer.kill("SIGKILL");
  }
  if (writer.exitCode === null && writer.signalCode === null) await once(writer, "exit");
  assert.ok(acknowledged.length >= 200);
  const objects = openObjects({ runtime, resources: [namespace, gadget], storage: openSqliteStorage({ file, runtime }) });
  for (const line of acknowledged) {
    const [name = "", resourceVersion] = line.split(" ");
    const found = objects.get({ group: "test.antrea.io", resource: "gadgets" }, { namespace: "default", name });
    assert.equal(found?.metadata.resourceVersion, resourceVersion);
  }
  const last = Number(acknowledged.at(-1)?.split(" ")[1]);
  assert.ok(objects.store.revision >= last);
});
