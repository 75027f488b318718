import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { KeyPair } from "../src/lib/apiserver/certificates.ts";
import { openSqliteStorage } from "../src/lib/apiserver/storage/sqlite.ts";
import { systemRuntime } from "../src/lib/runtime/runtime.ts";

/** An API server in a process of its own, with its database in a folder that goes with it. */
export interface ServerProcess {
  /** From the start of the process until it answers. */
  readonly readySeconds: number;
  /** Resident memory now, and at its highest since {@link ServerProcess.resetPeak}. */
  residentMb(): { readonly now: number; readonly peak: number };
  resetPeak(): void;
  /** Processor time since its start. */
  cpuSeconds(): number;
  /** How to reach it as its administrator, each user with connections of its own. */
  readonly connection: { readonly host: string; readonly port: number; readonly ca: string; readonly cert: string; readonly key: string };
  /** One request; the length of the answer's body. Throws for anything but 2xx. */
  ask(method: string, path: string, body?: string): Promise<number>;
  stop(): Promise<void>;
}

/** USER_HZ of Linux, in which proc(5) counts processor time. */
const ticksPerSecond = 100;

/** `objects` gadgets of about `sizeBytes` each lie in the database before the server starts. With `stretches` it never rests, and measures what its path `/longest-stretch` answers. */
export async function startServerProcess({ objects = 0, sizeBytes = 0, stretches = false } = {}): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "bench-apiserver-"));
  const file = join(folder, "objects.db");
  if (objects > 0) fill(file, objects, sizeBytes);
  const started = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, "api-server-program.ts"), file, ...(stretches ? ["stretches"] : [])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const readySeconds = (performance.now() - started) / 1_000;
  const { port, authority, admin } = JSON.parse(line) as { port: number; authority: KeyPair; admin: KeyPair };
  const connection = { host: "127.0.0.1", port, ca: authority.certificate, cert: admin.certificate, key: admin.key };
  const agent = new Agent({ keepAlive: true, maxSockets: 64, ca: connection.ca, cert: connection.cert, key: connection.key });
  const status = (): string => readFileSync(`/proc/${child.pid}/status`, "utf8");
  const megabytes = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status())?.[1] ?? 0) / 1_024;
  return {
    readySeconds,
    residentMb: () => ({ now: megabytes("VmRSS"), peak: megabytes("VmHWM") }),
    resetPeak() {
      // proc(5): 5 resets the peak of resident memory
      writeFileSync(`/proc/${child.pid}/clear_refs`, "5");
    },
    connection,
    cpuSeconds() {
      const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    },
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
        const request = httpsRequest({ host: "127.0.0.1", port, agent, method, path, headers }, (answer) => {
          let length = 0;
          answer.on("data", (chunk: Buffer) => {
            length += chunk.length;
          });
          answer.once("error", reject);
          answer.once("end", () => {
            if ((answer.statusCode ?? 0) < 300) resolve(length);
            else reject(new Error(`${method} ${path}: ${answer.statusCode}`));
          });
        });
        request.once("error", reject);
        request.end(body);
      }),
    async stop() {
      agent.destroy();
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}

function fill(file: string, count: number, sizeBytes: number): void {
  const storage = openSqliteStorage({ file, runtime: systemRuntime({ level: "error" }) });
  const filler = "x".repeat(Math.max(0, sizeBytes - 300));
  const records = Array.from({ length: count }, (_, index) => {
    const name = `gadget-${String(index).padStart(6, "0")}`;
    const metadata = {
      name,
      namespace: "default",
      uid: name,
      resourceVersion: String(index + 1),
      creationTimestamp: "2026-01-01T00:00:00Z",
      generation: 1,
    };
    const object = { apiVersion: "test.antrea.io/v1", kind: "Gadget", metadata, spec: { size: 1, tags: { filler } } };
    return { resource: "test.antrea.io/gadgets", namespace: "default", name, json: JSON.stringify(object) };
  });
  storage.commit({ revision: count, records });
  storage.close();
}
