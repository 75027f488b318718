import { readFileSync } from "node:fs";
import { Gauge, type Registry } from "prom-client";

/** Linux counts processor time in this unit for `times()`; Node gives microseconds. */
const microseconds = 1e6;

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
  gauge("process_cpu_seconds_total", "Processor time spent, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / microseconds;
  });
  gauge("process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  gauge("process_start_time_seconds", "Start of the process, seconds since the epoch.", () => startedAt);
  gauge("process_open_fds", "Open file descriptors.", openDescriptors);
}

/** Of `/proc/self/status`: 64 slots at a time, so an upper bound that needs no reading of a folder. */
function openDescriptors(): number {
  try {
    return Number(/^FDSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
