import { existsSync } from "node:fs";
import { readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { run } from "./command.ts";
import { deleteNetns } from "./fabric/fabric.ts";
import { removeUplink } from "./fabric/uplink.ts";
import { cleanupContainerd } from "./node/containerd-cleanup.ts";
import { labPaths, labsFolder } from "./paths.ts";
import { controllerNumber, nodeNumber } from "./spec.ts";
import { killMarked } from "./supervisor/leftovers.ts";
import { labMark } from "./supervisor/processes.ts";

/**
 * Removes everything that lab `name` has on this machine, going by marks, names and files alone: works after any kind of death, and when
 * nothing is there. `keepLogs` leaves the folder of logs, for a start that failed.
 */
export async function cleanLab({
  runtime,
  name,
  keepLogs = false,
}: {
  readonly runtime: Runtime;
  readonly name: string;
  readonly keepLogs?: boolean;
}): Promise<void> {
  const paths = labPaths(name);
  await killMarked(`${labMark}=${name}`, runtime.clock);
  const folders = existsSync(paths.root) ? (await readdir(paths.root)).filter((folder) => nodeNumber(folder) !== undefined) : [];
  await Promise.all(folders.map((folder) => cleanupContainerd({ directory: paths.node(folder).containerd, clock: runtime.clock })));
  await unmountBelow(paths.root);
  await removeUplink(name);
  for (const netns of await netnsOf(name)) await deleteNetns(netns);
  if (keepLogs && existsSync(paths.root)) {
    for (const entry of await readdir(paths.root))
      if (join(paths.root, entry) !== paths.logs) await rm(join(paths.root, entry), { recursive: true, force: true });
  } else await rm(paths.root, { recursive: true, force: true });
  await rmdir(labsFolder).catch(() => {}); // stays while another lab has its files there
}

async function netnsOf(name: string): Promise<string[]> {
  const all = existsSync("/var/run/netns") ? await readdir("/var/run/netns") : [];
  return all.filter((netns) => netns.startsWith(`${name}-`) && isOfLab(netns.slice(name.length + 1)));
}

const isOfLab = (place: string): boolean => place === "fabric" || nodeNumber(place) !== undefined || controllerNumber(place) !== undefined;

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  if (mounts.length > 0) await run("umount", ["--lazy", "--", ...mounts.reverse()]);
}
