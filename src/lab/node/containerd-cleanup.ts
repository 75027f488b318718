import { run } from "#lab/command.ts";
import { createHash } from "node:crypto";
import { readdir, readFile, readlink, rm, rmdir } from "node:fs/promises";
import { type Clock, sleep } from "#lib/runtime/clock.ts";
import { milliseconds, seconds } from "#lib/runtime/duration.ts";
import { type ContainerdPaths, containerdPaths } from "./containerd-config.ts";
import { CleanupIncomplete } from "./errors.ts";

/** Time for processes of one kind to go after SIGKILL. Generous: all containers of a node end at once, on a machine that may be busy with as many of others. */
const killTime = seconds(20);

/** The cgroup of all containers of the node in `directory`: derived from it, so that leftovers are found from the directory alone. */
export function containerCgroup(directory: string): string {
  return `/antrea-lab-${createHash("sha256").update(directory).digest("hex").slice(0, 12)}`;
}

/**
 * Ends containerd, shims and containers of the node in `directory` and removes their mounts, namespaces, cgroups, sockets and the
 * state folder, whatever of it there is: also after everything was killed. What must outlive it (images, writable layers) stays in `root`.
 */
export async function cleanupContainerd({ directory, clock }: { readonly directory: string; readonly clock: Clock }): Promise<void> {
  const paths = containerdPaths(directory);
  // containerd first, as it would start what is missing; then containers, so that living shims reap them; then shims
  for (const part of [containerdPids, containerPids, shimPids]) {
    const deadline = clock.monotonic() + killTime;
    for (;;) {
      const pids = await part(paths);
      if (pids.length === 0) break;
      for (const pid of pids) kill(pid);
      if (clock.monotonic() > deadline) throw new CleanupIncomplete(directory, pids);
      await sleep(clock, milliseconds(10));
    }
  }
  await unmountBelow(directory);
  await removeShimSockets(paths);
  await removeCgroup(containerCgroup(directory));
  await rm(paths.state, { recursive: true, force: true });
  await Promise.all([paths.socket, `${paths.socket}.ttrpc`].map((path) => rm(path, { force: true })));
}

const containerdPids = (paths: ContainerdPaths): Promise<number[]> =>
  processes(async (pid) => (await commandLine(pid)).join(" ").endsWith(`containerd --config ${paths.config}`));

const shimPids = (paths: ContainerdPaths): Promise<number[]> =>
  processes(async (pid) => {
    const words = await commandLine(pid);
    return words[words.indexOf("-address") + 1] === paths.socket;
  });

/** Processes in the node's cgroup, or whose root lies below the directory (containers that others than our kubelet made). */
async function containerPids(paths: ContainerdPaths): Promise<number[]> {
  const cgroup = `:${containerCgroup(paths.directory)}/`;
  const ownMounts = await readlink("/proc/self/ns/mnt");
  return processes(async (pid) => {
    if ((await readFile(`/proc/${pid}/cgroup`, "utf8")).includes(cgroup)) return true;
    if ((await readlink(`/proc/${pid}/ns/mnt`)) === ownMounts) return false;
    return (await readFile(`/proc/${pid}/mountinfo`, "utf8")).split("\n", 1)[0]?.includes(`${paths.directory}/`) ?? false;
  });
}

/** Ids of living processes for which `matches` holds; one that ends meanwhile, or has ended and waits for its parent, matches nothing. */
async function processes(matches: (pid: number) => Promise<boolean>): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      try {
        return (await matches(pid)) && !/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, "utf8"));
      } catch {
        return false;
      }
    }),
  );
  return pids.filter((_, index) => found[index]);
}

async function commandLine(pid: number): Promise<string[]> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").slice(0, -1);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself since it was listed
  }
}

async function unmountBelow(directory: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => path.startsWith(`${directory}/`));
  // the newest first: later mounts stand on earlier ones
  if (mounts.length > 0) await run("umount", ["--lazy", "--", ...mounts.reverse()]);
}

/** Shims of containerd 1.6 listen below /run/containerd/s whatever the configuration says; each bundle holds its socket's address. */
async function removeShimSockets(paths: ContainerdPaths): Promise<void> {
  const bundles = `${paths.state}/io.containerd.runtime.v2.task/k8s.io`;
  for (const id of await listed(bundles)) {
    const address = await readFile(`${bundles}/${id}/address`, "utf8").catch(() => "");
    if (address.startsWith("unix:///run/containerd/s/")) await rm(address.slice("unix://".length), { force: true });
  }
  // what we may have made for ourselves goes; what holds a file of anyone else stays
  for (const path of ["/run/containerd/s", "/run/containerd"]) await rmdir(path).catch(() => undefined);
}

/** Removes the cgroup in every hierarchy that is mounted, version 1 or 2. */
export async function removeCgroup(cgroup: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => / - cgroup2? /.test(line));
  for (const line of mounts) await removeCgroupTree(`${line.split(" ")[4]}${cgroup}`);
}

async function removeCgroupTree(path: string): Promise<void> {
  const children = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const child of children) if (child.isDirectory()) await removeCgroupTree(`${path}/${child.name}`);
  await rmdir(path).catch(() => undefined);
}

async function listed(path: string): Promise<string[]> {
  return readdir(path).catch(() => []);
}
