import { type ChildProcess, execFile, spawn } from "node:child_process";
import { access, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { datapathOptions } from "#lib/openflow/testing/datapath.ts";

const run = promisify(execFile);
/** A dump of the flows of 200 pods is some MiB. */
const largestOutputBytes = 256 * 1024 * 1024;

/** As hardened hosts have it, on every link that says nothing looser: no packet may come in by a link to which the way back would not lead. */
const strictlyFiltered = ["all", "default"];

/** A network namespace with its own Open vSwitch, for tests. */
export interface PrivateNode {
  readonly namespace: string;
  /** Everything of the node; Open vSwitch's sockets are in `ovs` below it. */
  readonly directory: string;
  readonly ovsRunDir: string;
  readonly database: string;
  /** Runs a program in the node's namespace and gives its output. */
  exec(program: string, ...args: string[]): Promise<string>;
  vsctl(...args: string[]): Promise<string>;
  /** Starts vswitchd (again). */
  startSwitch(): Promise<void>;
  /** Ends vswitchd at once, as a crash would. */
  killSwitch(): Promise<void>;
  /** The same of the database's server; what was committed is on disk. */
  startDatabase(): Promise<void>;
  killDatabase(): Promise<void>;
  remove(): Promise<void>;
}

export async function createPrivateNode(name: string): Promise<PrivateNode> {
  const namespace = `${name}-${process.pid}`;
  const directory = await mkdtemp(join(tmpdir(), `${namespace}-`));
  const ovsRunDir = join(directory, "ovs");
  const database = join(ovsRunDir, "db.sock");
  const environment = { ...process.env, OVS_RUNDIR: ovsRunDir, OVS_LOGDIR: ovsRunDir, OVS_DBDIR: ovsRunDir };
  await mkdir(ovsRunDir);
  await run("ip", ["netns", "add", namespace]);
  const exec = async (program: string, ...args: string[]): Promise<string> =>
    (await run("ip", ["netns", "exec", namespace, program, ...args], { env: environment, maxBuffer: largestOutputBytes })).stdout.trim();
  const vsctl = (...args: string[]): Promise<string> =>
    exec("ovs-vsctl", `--timeout=${amplePatience / 1_000}`, `--db=unix:${database}`, ...args);
  const start = (program: string, ...args: string[]): ChildProcess =>
    spawn("ip", ["netns", "exec", namespace, program, ...args, "--pidfile", "--log-file", "-vconsole:off"], {
      stdio: "ignore",
      env: environment,
    });

  await exec(
    "sh",
    "-c",
    `ip link set lo up${strictlyFiltered.map((file) => ` && echo 1 >/proc/sys/net/ipv4/conf/${file}/rp_filter`).join("")}`,
  );
  await exec("ovsdb-tool", "create", join(ovsRunDir, "conf.db"), "/usr/share/openvswitch/vswitch.ovsschema");
  let server: ChildProcess | undefined;
  let daemon: ChildProcess | undefined;
  const startDatabase = async (): Promise<void> => {
    server = start("ovsdb-server", join(ovsRunDir, "conf.db"), `--remote=punix:${database}`);
    await appears(database);
  };
  const stop = async (child: ChildProcess | undefined): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  const killSwitch = async (): Promise<void> => {
    await stop(daemon);
    daemon = undefined;
    await rm(join(ovsRunDir, "ovs-vswitchd.pid"), { force: true });
  };
  const killDatabase = async (): Promise<void> => {
    await stop(server);
    server = undefined;
    for (const left of [database, join(ovsRunDir, "ovsdb-server.pid")]) await rm(left, { force: true });
  };
  const startSwitch = async (): Promise<void> => {
    daemon = start("ovs-vswitchd", `unix:${database}`, ...datapathOptions);
    await appears(join(ovsRunDir, "ovs-vswitchd.pid"));
  };
  const remove = async (): Promise<void> => {
    await killSwitch();
    await killDatabase();
    await run("ip", ["netns", "del", namespace]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await startDatabase();
    // The socket is there before anybody listens to it.
    await vsctl("--retry", "--no-wait", "init");
    await startSwitch();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    namespace,
    directory,
    ovsRunDir,
    database,
    exec,
    vsctl,
    startSwitch,
    killSwitch,
    startDatabase,
    killDatabase,
    remove,
  };
}

async function appears(path: string): Promise<void> {
  for (;;) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
