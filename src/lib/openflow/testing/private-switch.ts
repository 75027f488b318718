import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import { datapathOptions, testDatapath } from "./datapath.ts";
import { isFar, leadTo, onTestMachine } from "./test-machine.ts";

/** Real Open vSwitch daemons of their own: own folder, own sockets, nothing shared with the machine's. For tests. */
export interface PrivateSwitch {
  /** Holds database, logs and sockets; removed by {@link PrivateSwitch.stop}. */
  readonly directory: string;
  /** The OVSDB server's socket. */
  readonly database: string;
  /** The OpenFlow management socket of a bridge. */
  management(bridge: string): string;
  /** The daemons' own control sockets, as `ovs-appctl -t` takes them. */
  readonly control: { readonly database: string; readonly switch: string };
  /** Runs `ovs-vsctl` against this database. Resolves with what it printed. */
  vsctl(...args: string[]): Promise<string>;
  /** Runs `ovs-ofctl -O OpenFlow15 COMMAND BRIDGE …`: a bridge's name where the command takes one is its management socket. */
  ofctl(command: string, bridge: string, ...args: string[]): Promise<string>;
  /** Runs `ovs-appctl` against ovs-vswitchd. */
  appctl(...args: string[]): Promise<string>;
  /** Ends both daemons and removes the folder. */
  stop(): Promise<void>;
}

export interface PrivateSwitchOptions {
  /** Bridges to make. Default `br0`. */
  readonly bridges?: readonly string[];
  /** `dummy` (default) makes no device and needs no root; packets enter by `ovs-appctl netdev-dummy/receive`. `devices` forwards between real ones. */
  readonly datapath?: "dummy" | "devices";
  /** Runs the daemons in this named network namespace. With `devices`, use one, as each bridge makes a device. */
  readonly networkNamespace?: string;
}

const run = promisify(execFile);
const commandTimeout = amplePatience;
/** Seconds that ovs-vsctl waits for the database, and for vswitchd to do what it says. */
const vsctlTimeout = amplePatience / 1_000;
const schema = "/usr/share/openvswitch/vswitch.ovsschema";

/** Starts the daemons, on the machine that forwards in tests, and makes the bridges. Rejects, with nothing left behind, when Open vSwitch is not installed or does not start. */
export async function startPrivateSwitch(options: PrivateSwitchOptions = {}): Promise<PrivateSwitch> {
  const { bridges = ["br0"], datapath = "dummy", networkNamespace } = options;
  const directory = await mkdtemp(join(tmpdir(), "private-switch-"));
  const environment = { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory, OVS_SYSCONFDIR: directory };
  const database = join(directory, "db.sock");
  const control = { database: join(directory, "ovsdb-server.ctl"), switch: join(directory, "ovs-vswitchd.ctl") };
  const daemons: ChildProcess[] = [];
  const leads: (() => Promise<void>)[] = [];
  const command = async (file: string, args: readonly string[]): Promise<string> =>
    (await run(file, args, { env: environment, timeout: commandTimeout, maxBuffer: 256 * 1024 * 1024 })).stdout;
  const inNamespace = networkNamespace === undefined ? [] : ["ip", "netns", "exec", networkNamespace];
  const daemon = async (file: string, args: readonly string[]): Promise<void> => {
    if (isFar) {
      const files = Object.entries({ pidfile: "pid", "log-file": "log" }).map(
        ([flag, end]) => `--${flag}=${join(directory, `${file}.${end}`)}`,
      );
      const variables = ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"].map((name) => `OVS_${name}=${directory}`);
      await onTestMachine("env", [...variables, ...inNamespace, file, ...args, "--detach", "--no-chdir", ...files, "-vconsole:off"]);
      return;
    }
    // The kernel ends the daemons when the test dies, whatever the way.
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...inNamespace, file, ...args], {
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.pipe(createWriteStream(join(directory, `${file}.log`)));
    child.on("error", () => {});
    daemons.push(child);
  };
  const management = (bridge: string): string => join(directory, `${bridge}.mgmt`);
  const stop = async (): Promise<void> => {
    // Devices stay behind unless vswitchd is asked to remove them.
    if (datapath === "devices") await command("ovs-appctl", ["-t", control.switch, "exit", "--cleanup"]).catch(() => {});
    if (isFar) await command("ovs-appctl", ["-t", control.database, "exit"]).catch(() => {});
    for (const child of daemons.toReversed()) await end(child);
    for (const lead of leads) await lead();
    await rm(directory, { recursive: true, force: true });
  };
  const vsctl = (...args: string[]): Promise<string> =>
    command("ovs-vsctl", [`--db=unix:${database}`, "--retry", `--timeout=${vsctlTimeout}`, ...args]);
  try {
    if (isFar) {
      await onTestMachine("mkdir", ["-p", directory]);
      const sockets = [database, ...Object.values(control), ...bridges.map(management)];
      for (const path of sockets) leads.push(await leadTo(path));
    }
    await onTestMachine("ovsdb-tool", ["create", join(directory, "conf.db"), schema]);
    await daemon("ovsdb-server", [`--remote=punix:${database}`, `--unixctl=${control.database}`, join(directory, "conf.db")]);
    await vsctl(
      "--no-wait",
      "--",
      "init",
      "--",
      "set",
      "Open_vSwitch",
      ".",
      "other_config:n-handler-threads=1",
      "other_config:n-revalidator-threads=1",
    );
    await daemon("ovs-vswitchd", [
      "--enable-dummy",
      ...(datapath === "devices" ? datapathOptions : ["--disable-system"]),
      `--unixctl=${control.switch}`,
      `unix:${database}`,
    ]);
    for (const bridge of bridges)
      await vsctl(
        "add-br",
        bridge,
        "--",
        "set",
        "Bridge",
        bridge,
        `datapath_type=${datapath === "devices" ? testDatapath : datapath}`,
        "fail_mode=secure",
        "protocols=OpenFlow10,OpenFlow15",
      );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    directory,
    database,
    control,
    management,
    vsctl,
    ofctl: (name, bridge, ...args) => command("ovs-ofctl", ["-O", "OpenFlow15", name, management(bridge), ...args]),
    appctl: (...args) => command("ovs-appctl", ["-t", control.switch, ...args]),
    stop,
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await exited;
  clearTimeout(force);
}

/** What `vsctl` is to be told so that `br0` has a port without a device, `portN`, of each number. */
export const addDummyPorts = (numbers: readonly number[]): string[] =>
  numbers.flatMap((number) => {
    const port = `port${number}`;
    return ["--", "add-port", "br0", port, "--", "set", "Interface", port, "type=dummy", `ofport_request=${number}`];
  });
