import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { startServerProcess } from "./api-server.ts";
import { gadgets, openWatcher, stamped, stampsIn, type Watcher } from "./watcher.ts";

// In a network namespace of its own: an API server, as many watchers that stop reading as the first argument says, and what others see meanwhile.

const writesPerSecond = 50;
/** Until then the watchers' buffers get full, and the server warm. */
const warmUpSeconds = 10;
const seconds = 60;
/** For those that were ended to read it. */
const lastMs = 5_000;
const objectBytes = 4_000;
/** How often somebody else asks. */
const everyMs = 25;
/** How many watches are opened at a time. */
const atOnce = 50;
/** Of a socket's buffers, least, usual and most (tcp(7), tcp_rmem and tcp_wmem). */
const bufferBytes = "4096 16384 16384";

/** Delays in milliseconds. */
export interface StuckMeasured {
  /** From a request of somebody else to its answer. */
  readonly asked: readonly number[];
  /** From a write to the watcher that reads. */
  readonly heard: readonly number[];
  /** Resident memory of the server. */
  readonly peakMb: number;
  /** Stuck watchers that the server ended. */
  readonly closed: number;
}

execFileSync("ip", ["link", "set", "lo", "up"]);
for (const direction of ["rmem", "wmem"]) writeFileSync(`/proc/sys/net/ipv4/tcp_${direction}`, bufferBytes);
process.stdout.write(JSON.stringify(await measured(Number(process.argv[2]))));
process.exit();

async function measured(stuck: number): Promise<StuckMeasured> {
  const server = await startServerProcess();
  try {
    const paused: Watcher[] = [];
    for (let opened = 0; opened < stuck; opened += atOnce)
      paused.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, stuck - opened) }, () => openWatcher(server)))));
    const heard: number[] = [];
    await openWatcher(server, (piece) => {
      for (const at of stampsIn(piece)) if (at > from) heard.push(performance.now() - at);
    });
    server.resetPeak();
    const asked: number[] = [];
    const start = performance.now();
    const from = start + warmUpSeconds * 1_000;
    const end = from + seconds * 1_000;
    const asking = (async () => {
      while (performance.now() < end) {
        const started = performance.now();
        await server.ask("GET", `${gadgets}/event-0`).catch(() => 0);
        if (started > from) asked.push(performance.now() - started);
        await wait(everyMs);
      }
    })();
    for (let event = 0; event < writesPerSecond * (warmUpSeconds + seconds); event++) {
      await wait(Math.max(0, start + (event * 1_000) / writesPerSecond - performance.now()));
      void server.ask("POST", gadgets, stamped(`event-${event}`, "x".repeat(objectBytes)));
    }
    await asking;
    const peakMb = server.residentMb().peak;
    for (const watcher of paused) watcher.resume();
    await wait(lastMs);
    const closed = paused.filter(({ isClosed }) => isClosed).length;
    return { asked, heard, peakMb, closed };
  } finally {
    await server.stop();
  }
}
