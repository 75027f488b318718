import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Transfer {
  /** Received, in Mbit/s (10^6 bits). */
  readonly mbits: number;
  /** Sent; 0 for TCP, which does not say. */
  readonly packets: number;
}

export interface TransferOptions {
  readonly protocol: "tcp" | "udp";
  readonly target: string;
  readonly seconds: number;
  /** Absent: as fast as it goes. */
  readonly mbits?: number;
}

/** One run of iperf3 in the namespace `from`; a server must run at the target. UDP in datagrams that fill an Ethernet frame through a tunnel. */
export async function transfer(from: string, { protocol, target, seconds, mbits = 0 }: TransferOptions): Promise<Transfer> {
  const kind = protocol === "udp" ? ["-u", "-l", "1350", "-b", mbits === 0 ? "0" : `${mbits}M`] : [];
  const { stdout } = await run("ip", ["netns", "exec", from, "iperf3", "-J", "-c", target, "-t", String(seconds), ...kind], {
    timeout: (seconds + 15) * 1_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  const { end } = JSON.parse(stdout) as {
    readonly end: {
      readonly sum_received?: { readonly bits_per_second: number };
      readonly sum?: { readonly bits_per_second: number; readonly packets?: number; readonly lost_percent?: number };
    };
  };
  if (protocol === "tcp") return { mbits: (end.sum_received?.bits_per_second ?? Number.NaN) / 1e6, packets: 0 };
  const { bits_per_second = Number.NaN, packets = 0, lost_percent = 0 } = end.sum ?? {};
  return { mbits: (bits_per_second * (1 - lost_percent / 100)) / 1e6, packets };
}

/** Processor time of all threads of a process so far, in nanoseconds (schedstat of the scheduler). */
export function cpuNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    return sum + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
  }, 0);
}

/** The ovs-vswitchd that serves the database at `socket`. */
export function switchPid(socket: string): number {
  const found = readdirSync("/proc").find((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const [program = "", ...args] = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0");
      return program.endsWith("ovs-vswitchd") && args.includes(`unix:${socket}`);
    } catch {
      return false; // it ended meanwhile
    }
  });
  if (found === undefined) throw new Error(`no ovs-vswitchd serves ${socket}`);
  return Number(found);
}
