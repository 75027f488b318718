import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import type { AuditedRule } from "#core/audit/index.ts";
import { cookie } from "#core/pipeline/cookie.ts";
import { flow, setRegister } from "#core/pipeline/flow-builder.ts";
import { createPipeline } from "#core/pipeline/index.ts";
import { toController } from "#core/pipeline/packet-in/index.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createMemorySwitch, memoryConnection } from "#lib/openflow/switch/index.ts";
import { encodeFrame } from "#lib/packet/index.ts";
import { hours, seconds, seededRandom, silentLogger, systemClock, virtualClock } from "#lib/runtime/index.ts";
import { keepAuditLog } from "./index.ts";
import { openLogFile } from "./log-file.ts";

const pipeline = createPipeline();
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "audit-"));
});
after(() => rm(folder, { recursive: true }));

const rotation = { maxSizeBytes: 100, maxBackups: 2, maxAgeDays: 28, compress: true };

test("a file that has grown is set aside and compressed; the oldest go, by number and by age", async () => {
  const clock = virtualClock({ epoch: Date.UTC(2026, 0, 2, 10) });
  const file = join(folder, "rotated", "np.log");
  const log = openLogFile({ runtime: { clock, logger: silentLogger }, file, rotation });
  const line = (text: string): string => text.padEnd(59, ".");
  const write = async (text: string): Promise<void> => {
    assert.ok(log.write([line(text)]));
    await log.flush();
    clock.advance(seconds(1));
  };
  for (const text of ["a", "b", "c", "d"]) await write(text);
  await writeFile(join(folder, "rotated", "np-notes.log"), "somebody else's");
  assert.deepEqual((await readdir(join(folder, "rotated"))).sort(), [
    "np-2026-01-02T10-00-02.000.log.gz",
    "np-2026-01-02T10-00-03.000.log.gz",
    "np-notes.log",
    "np.log",
  ]);
  const old = gunzipSync(await readFile(join(folder, "rotated", "np-2026-01-02T10-00-03.000.log.gz")));
  assert.equal(String(old), `${line("c")}\n`);
  assert.equal(await readFile(file, "utf8"), `${line("d")}\n`);
  clock.advance(hours(24) * 29);
  await write("e");
  assert.deepEqual(
    (await readdir(join(folder, "rotated"))).filter((name) => name.endsWith(".gz")),
    ["np-2026-01-31T10-00-04.000.log.gz"],
  );
  await log.close();
});

test("an agent that starts anew goes on with the file; a folder that cannot be written is told and mended", async () => {
  const clock = virtualClock();
  const file = join(folder, "again", "np.log");
  for (const text of ["one", "two"]) {
    const log = openLogFile({ runtime: { clock, logger: silentLogger }, file, rotation });
    log.write([text]);
    await log.close();
  }
  assert.equal(await readFile(file, "utf8"), "one\ntwo\n");
  const blocked = join(folder, "blocked");
  await writeFile(blocked, "");
  const log = openLogFile({ runtime: { clock, logger: silentLogger }, file: join(blocked, "np.log"), rotation });
  log.write(["early"]);
  await log.flush();
  assert.match(log.problem ?? "", /EEXIST|ENOTDIR/);
  await rm(blocked);
  log.write(["kept"]);
  await log.flush();
  assert.deepEqual([await readFile(join(blocked, "np.log"), "utf8"), log.problem], ["early\nkept\n", undefined]);
  await log.close();
});

test("lines go on while an old file is compressed; what the disk refuses is counted", async () => {
  const clock = virtualClock({ epoch: Date.UTC(2026, 0, 2, 10) });
  const file = join(folder, "slow", "np.log");
  const log = openLogFile({ runtime: { clock, logger: silentLogger }, file, rotation });
  log.write(["first".padEnd(80, ".")]);
  await log.flush();
  // Whoever writes a pipe waits for its reader.
  const compressed = join(folder, "slow", "np-2026-01-02T10-00-00.000.log.gz.new");
  await promisify(execFile)("mkfifo", [compressed]);
  log.write(["second".padEnd(80, ".")]);
  while (!(await readFile(file, "utf8").catch(() => "")).startsWith("second")) await new Promise(setImmediate);
  log.write(["third"]);
  while (log.written < 3) await new Promise(setImmediate);
  assert.match(String(gunzipSync(await readFile(compressed))), /^first/);
  await log.close();
  const full = openLogFile({ runtime: { clock, logger: silentLogger }, file: "/dev/full", rotation });
  full.write(["one", "two"]);
  await full.close();
  assert.deepEqual([full.written, full.lost], [0, 2]);
  assert.match(full.problem ?? "", /ENOSPC/);
});

test("packets of rules that log become lines; denials of a second one line, what allows one each", async () => {
  // Time stands still; the event loop turns.
  const clock = { ...virtualClock({ epoch: Date.UTC(2026, 0, 2, 10) }), soon: systemClock.soon };
  const memory = createMemorySwitch({ clock, random: seededRandom(1), ports: [{ number: 2 }, { number: 3 }] });
  const log = toController("auditLog");
  const logging = (object: number, destination: bigint) =>
    ({
      command: "add",
      flow: flow(pipeline, "EgressRule", {
        priority: "normal",
        cookie: cookie("networkPolicy", object),
        match: { eth_type: 0x0800n, ip_dst: destination },
        actions: [log],
        next: "drop",
      }),
    }) as const;
  memory.apply([
    {
      command: "add",
      flow: flow(pipeline, "PipelineRootClassifier", {
        priority: "normal",
        cookie: 0n,
        match: {},
        actions: [setRegister("outputPort", 3n)],
        next: "EgressRule",
      }),
    },
    logging(1, 0x0a000001n),
    logging(2, 0x0a000002n),
    logging(3, 0x0a000003n),
  ]);
  const policy = { type: "AntreaNetworkPolicy", namespace: "shop", name: "p", uid: "u" } as const;
  const rules: Readonly<Record<number, AuditedRule>> = {
    1: { policy, rule: "deny", direction: "Out", disposition: "Drop", priority: 200, logLabel: "tag" },
    2: { policy, rule: "allow", direction: "In", disposition: "Allow", priority: 200 },
  };
  const stop = new AbortController();
  const connection = memoryConnection(memory, { clock });
  const audit = keepAuditLog({
    runtime: { clock, random: seededRandom(1), logger: silentLogger },
    pipeline,
    connect: () => Promise.resolve(connection),
    file: join(folder, "np.log"),
    rotation: { ...rotation, maxSizeBytes: 10_000 },
    ruleOf: ({ object, table }) => (table === "EgressRule" ? rules[object] : undefined),
    podOf: (port) => ({ podNamespace: "shop", podName: `pod-${port}`, interfaceName: `pod-${port}` }),
    signal: stop.signal,
  });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) await new Promise(setImmediate);
  };
  await until(() => audit.figures().packets.connected);
  const send = (destination: string): void => {
    const frame = encodeFrame({
      source: parseMac("0a:00:00:00:00:02"),
      destination: parseMac("0a:00:00:00:00:03"),
      payload: {
        kind: "ipv4",
        source: parseAddress("10.0.0.9"),
        destination: parseAddress(destination),
        ttl: 64,
        payload: { kind: "udp", sourcePort: 7, destinationPort: 9, payload: new Uint8Array(4) },
      },
    });
    connection.deliver(memory.process({ inPort: 2, frame }));
  };
  for (const destination of ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.3"]) send(destination);
  await until(() => audit.figures().packets.handled === 5);
  clock.advance(seconds(1));
  send("10.0.0.1");
  await until(() => audit.figures().packets.handled === 6);
  await audit.close();
  assert.deepEqual((await readFile(join(folder, "np.log"), "utf8")).split("\n"), [
    "2026/01/02 10:00:00.000000 EgressRule AntreaNetworkPolicy:shop/p allow Ingress Allow 200 shop/pod-3 10.0.0.9 7 10.0.0.2 9 UDP 32 <nil>",
    "2026/01/02 10:00:00.000000 EgressRule AntreaNetworkPolicy:shop/p allow Ingress Allow 200 shop/pod-3 10.0.0.9 7 10.0.0.2 9 UDP 32 <nil>",
    "2026/01/02 10:00:01.000000 EgressRule AntreaNetworkPolicy:shop/p deny Egress Drop 200 shop/pod-2 10.0.0.9 7 10.0.0.1 9 UDP 32 tag [2 packets in 1s]",
    "2026/01/02 10:00:01.000000 EgressRule AntreaNetworkPolicy:shop/p deny Egress Drop 200 shop/pod-2 10.0.0.9 7 10.0.0.1 9 UDP 32 tag",
    "",
  ]);
  assert.deepEqual([audit.figures().lines, audit.figures().unknown, audit.figures().lost], [4, 1, 0]);
  stop.abort();
});
