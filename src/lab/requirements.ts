import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Datapath } from "./agent-options.ts";
import { LabRequirement } from "./errors.ts";
import { checkStockPlugins } from "./node/stock-plugins.ts";

/** Programs of the system that a lab calls, with the Debian package that has each. */
const tools: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nsenter: "util-linux",
  nft: "nftables",
  "ovsdb-server": "openvswitch-switch",
  "ovs-vswitchd": "openvswitch-switch",
  "ovs-vsctl": "openvswitch-switch",
  containerd: "containerd",
  ctr: "containerd",
  runc: "runc",
  // the portmap plugin calls it
  iptables: "iptables",
};

/** Says what this machine lacks, all of it at once. Throws {@link LabRequirement}. */
export function checkMachine(datapath: Datapath): void {
  if (process.platform !== "linux") throw new LabRequirement(`this is ${process.platform}`, "run the lab on Linux");
  if (process.getuid?.() !== 0)
    throw new LabRequirement("this user is not root", "run it again with sudo: namespaces, Open vSwitch and containers need it");
  const missing = Object.entries(tools).filter(([tool]) => !onPath(tool));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
    throw new LabRequirement(`missing: ${missing.map(([tool]) => tool).join(", ")}`, `run npm run setup, or apt-get install ${packages}`);
  }
  checkStockPlugins();
  if (datapath === "netdev" && !existsSync("/dev/net/tun"))
    throw new LabRequirement("the kernel has no /dev/net/tun", "load the module tun: Open vSwitch's internal ports are made of it");
  if (datapath === "system" && !existsSync("/sys/module/openvswitch"))
    throw new LabRequirement(
      "the kernel has no datapath of Open vSwitch (module openvswitch)",
      "modprobe openvswitch, or leave ovsDatapathType out: netdev forwards in user space",
    );
  if (!/\bcgroup2?\b/.test(readFileSync("/proc/mounts", "utf8")))
    throw new LabRequirement("no cgroup hierarchy is mounted", "mount one at /sys/fs/cgroup: containers need it");
}

function onPath(tool: string): boolean {
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"].some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
