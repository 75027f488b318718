// `npm run bench -- NAME [--json]`: runs one bench in a process of its own, and removes what it made when it is ended before its time.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { heapIsGiven, heapOfMachine } from "../src/lab/sim/large-heap.ts";
import { benchMark, removeLeftovers } from "./leftovers.ts";

const program = fileURLToPath(new URL("./run.ts", import.meta.url));
/** 200 agents that all know 2 000 pods take more than the heap that Node gives by itself. */
const heap = process.argv[2] === "sim" && !heapIsGiven() ? [`--max-old-space-size=${heapOfMachine()}`] : [];
const folder = await mkdtemp(join(tmpdir(), "bench-"));
const child = spawn(process.execPath, [...process.execArgv, ...heap, program, ...process.argv.slice(2)], {
  stdio: "inherit",
  // In no terminal's group: what ends it comes from here, when what it made is going to be removed.
  detached: true,
  env: { ...process.env, TMPDIR: folder, [benchMark]: String(process.pid) },
});
const ended = new Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>((resolve, reject) => {
  child.once("error", reject);
  child.once("exit", (code, signal) => resolve({ code, signal }));
});
let asked: NodeJS.Signals | undefined;
for (const each of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(each, () => {
    asked = each;
    child.kill("SIGKILL");
  });

const { code, signal } = await ended;
if (signal !== null && child.pid !== undefined) {
  process.stderr.write("bench: ended before its time; removing what it made\n");
  await removeLeftovers({ mark: String(process.pid), benchPid: child.pid });
}
await rm(folder, { recursive: true, force: true });
process.exitCode = code ?? 128 + constants.signals[asked ?? signal ?? "SIGKILL"];
