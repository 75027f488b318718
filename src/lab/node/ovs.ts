import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Datapath } from "../agent-options.ts";
import { run } from "../command.ts";
import type { ProcessSpec } from "../supervisor/processes.ts";
import { untilSwitchMayStart } from "./machine-age.ts";

/** Where Debian's package keeps the schema; other distributions put it into the second. */
const schemaFiles = ["/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema"];

export interface NodeSwitch {
  readonly node: string;
  /** Run folder of this node's Open vSwitch: database, sockets, pid files. */
  readonly folder: string;
  readonly netns: string;
  readonly logs: string;
  readonly datapath: Datapath;
}

const database = (folder: string): string => `unix:${join(folder, "db.sock")}`;

/** The two processes of a node's Open vSwitch, in the order to start them. */
export function switchProcesses({ node, folder, netns, logs, datapath }: NodeSwitch): readonly ProcessSpec[] {
  const env = { OVS_RUNDIR: folder, OVS_LOGDIR: folder, OVS_DBDIR: folder };
  const vsctl = (...args: string[]): Promise<string> => run("ovs-vsctl", [`--db=${database(folder)}`, "--no-wait", ...args]);
  return [
    {
      name: `${node}/ovsdb-server`,
      command: "ovsdb-server",
      args: [
        join(folder, "conf.db"),
        `--remote=punix:${join(folder, "db.sock")}`,
        `--unixctl=${join(folder, "ovsdb-server.ctl")}`,
        "-vconsole:warn",
        "-vsyslog:off",
        "-vfile:off",
      ],
      netns,
      env,
      logFile: join(logs, `${node}-ovsdb-server.log`),
      beforeStart: async () => {
        await mkdir(folder, { recursive: true });
        if (!existsSync(join(folder, "conf.db")))
          await run("ovsdb-tool", ["create", join(folder, "conf.db"), schemaFiles.find(existsSync) ?? schemaFiles[0] ?? ""]);
        await rm(join(folder, "db.sock"), { force: true });
      },
      ready: async () => {
        await vsctl("init");
      },
    },
    {
      name: `${node}/ovs-vswitchd`,
      command: "ovs-vswitchd",
      args: [
        database(folder),
        `--unixctl=${join(folder, "ovs-vswitchd.ctl")}`,
        `--pidfile=${join(folder, "ovs-vswitchd.pid")}`,
        ...(datapath === "system" ? [] : ["--disable-system"]),
        "-vconsole:warn",
        "-vsyslog:off",
        "-vfile:off",
      ],
      netns,
      env,
      logFile: join(logs, `${node}-ovs-vswitchd.log`),
      // Nothing is forwarded until the agent has restored its flows and takes the flag away: no packet passes a switch without policies.
      beforeStart: async () => {
        await vsctl("set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true");
        // In user space a tunnel's packets leave by a bridge; the kernel's go through its own stack.
        if (datapath === "system") return untilSwitchMayStart();
        await vsctl(
          ...["--may-exist", "add-br", "br-phy", "--", "set", "Bridge", "br-phy", "datapath_type=netdev", "fail_mode=standalone"],
          ...["--", "--may-exist", "add-port", "br-phy", "eth0"],
        );
      },
      ready: async () => {
        await run("ovs-appctl", ["--target", join(folder, "ovs-vswitchd.ctl"), "version"]);
        if (datapath === "netdev") await run("ip", ["-n", netns, "link", "show", "br-phy"]);
      },
    },
  ];
}
