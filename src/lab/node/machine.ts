import { access, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodePaths } from "../paths.ts";
import type { ProcessSpec } from "../supervisor/processes.ts";

/**
 * A bare node is a machine of its own as far as Pods can see it: host paths such as `/etc/cni/net.d` or `/var/run/antrea` must not be those of the
 * other nodes. It has a mount namespace, in which `/run` is empty and `/etc`, `/opt`, `/var/log` come from the node's own disk; a process that does
 * nothing holds it. Mounts are shared below it, so that containers see what kubelet and runtime mount.
 */
export function machineProcess(options: {
  readonly name: string;
  readonly node: NodePaths;
  readonly logs: string;
  readonly pid: () => number | undefined;
}): ProcessSpec {
  const { name, node, logs, pid } = options;
  return {
    name: `${name}/machine`,
    command: "unshare",
    args: ["--mount", "--propagation", "private", "sh", "-c", mountDisk, "sh", node.disk],
    netns: node.netns,
    logFile: join(logs, `${name}-machine.log`),
    beforeStart: () => prepareDisk(node),
    ready: () => access(`/proc/${pid() ?? 0}/root/run/netns/.machine`),
  };
}

const mountDisk = `set -e
mount --make-rshared /
for folder in etc opt; do mount --bind "$1/$folder" "/$folder"; done
mount --bind "$1/log" /var/log
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/netns /run/lock
mount --bind /run/netns /run/netns
mount --make-shared /run/netns
touch /run/netns/.machine
exec sleep infinity
`;

/** The node's disk on its first start: the machine's settings, and nothing of its containers, CNI or logs. */
async function prepareDisk({ disk }: NodePaths): Promise<void> {
  if (
    await access(join(disk, "etc")).then(
      () => true,
      () => false,
    )
  )
    return;
  for (const folder of ["opt/cni/bin", "log"]) await mkdir(join(disk, folder), { recursive: true });
  await cp("/etc", join(disk, "etc"), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !/^\/etc\/(cni|kubernetes|containerd|ssh|ssl\/private|shadow|gshadow)/.test(source),
  });
  await mkdir(join(disk, "etc", "cni", "net.d"), { recursive: true });
}
