import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Transfer {
  /** Received, in Mbit/s (10^6 bits). */
  readonly mbits: number;
  /** Sent; 0 for TCP, which does not say. */
  readonly packets: number;
  /** Processor time that `watched` took meanwhile together, in nanoseconds. */
  readonly cpuNs: number;
}

export interface TransferOptions {
  readonly protocol: "tcp" | "udp";
  readonly target: string;
  readonly seconds: number;
  /** Absent: as fast as it goes. */
  readonly mbits?: number;
  /** The processes, by their ids, whose processor time is of interest. */
  readonly watched: readonly number[];
}

const tries = 3;

/** As {@link transferOnce}; a run that came to nothing, as the server was busy or a switch was just changed, is repeated. */
export async function transfer(from: string, options: TransferOptions): Promise<Transfer> {
  for (let left = tries; ; left--) {
    try {
      return await transferOnce(from, options);
    } catch (error) {
      if (left === 1) throw error;
    }
  }
}

/** One run of iperf3 in the namespace `from`; a server must run at the target. UDP in datagrams that fill an Ethernet frame through a tunnel. */
async function transferOnce(from: string, { protocol, target, seconds, mbits: wanted = 0, watched }: TransferOptions): Promise<Transfer> {
  const kind = protocol === "udp" ? ["-u", "-l", "1350", "-b", wanted === 0 ? "0" : `${wanted}M`] : [];
  const spentSoFar = (): number => watched.reduce((sum, pid) => sum + cpuNs(pid), 0);
  const before = spentSoFar();
  const { stdout } = await run("ip", ["netns", "exec", from, "iperf3", "-J", "-c", target, "-t", String(seconds), ...kind], {
    timeout: (seconds + 15) * 1_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  const spent = spentSoFar() - before;
  const { end, error } = JSON.parse(stdout) as {
    readonly error?: string;
    readonly end: {
      readonly sum_received?: { readonly bits_per_second: number };
      readonly sum?: { readonly bits_per_second: number; readonly packets?: number; readonly lost_percent?: number };
    };
  };
  const { bits_per_second = Number.NaN, packets = 0, lost_percent = 0 } = end.sum ?? {};
  const mbits = (protocol === "tcp" ? (end.sum_received?.bits_per_second ?? Number.NaN) : bits_per_second * (1 - lost_percent / 100)) / 1e6;
  if (!Number.isFinite(mbits)) throw new Error(`iperf3 ${protocol} to ${target}: ${error ?? "no result"}`);
  return { mbits, packets, cpuNs: spent };
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
