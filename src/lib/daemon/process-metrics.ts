import { readdirSync } from "node:fs";
import { Counter, Gauge, type Registry } from "prom-client";

const microsecondsPerSecond = 1e6;

/**
 * What Prometheus clients tell of a process, under the usual names. Not prom-client's own set: that measures the event loop's delay by a timer, which
 * wakes a process at rest a hundred times a second.
 */
export function addProcessMetrics(registry: Registry): void {
  const registers = [registry];
  const startedAt = Date.now() / 1_000 - process.uptime();
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time spent, user and system.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / microsecondsPerSecond);
    },
  });
  gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  gauge("process_start_time_seconds", "Start of the process, seconds since the epoch.", () => startedAt);
  gauge("process_open_fds", "Open file descriptors.", openDescriptors);
}

/** Reading the folder takes a descriptor itself, which is not counted. */
function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return 0;
  }
}
