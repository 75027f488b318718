import { createHash } from "node:crypto";
import { constants, copyFileSync, linkSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "#lab/command.ts";
import { startContainerd } from "#lab/node/containerd.ts";
import { chooseSnapshotter } from "#lab/node/snapshotter.ts";
import { errorCode } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { exists, imageCache } from "./build.ts";
import { buildImages, pauseReference } from "./catalogue.ts";
import { loadImages } from "./load.ts";

/** Raised when a prepared store of an older make must not be used. */
const storeVersion = 1;
/** Where containerd keeps what it knows of its content; its presence says that a root has been used. */
const metadata = "io.containerd.metadata.v1.bolt/meta.db";

/**
 * Gives a containerd that has never run its images: the root of another one that imported them once, copied. Layers and unpacked
 * files are hard links, as containerd never changes them (overlayfs writes into upper folders of its own); databases are copies.
 * Importing takes seconds per node, this some milliseconds. A root that has been used stays as it is.
 */
export async function installImageStore(runtime: Runtime, options: { readonly root: string; readonly cache?: string }): Promise<void> {
  const { root, cache = imageCache } = options;
  if (await exists(join(root, metadata))) return;
  await mkdir(root, { recursive: true });
  const snapshotter = await chooseSnapshotter(root);
  const key = `${cache} ${snapshotter}`;
  const store = prepared.get(key) ?? preparedStore(runtime, cache, snapshotter);
  prepared.set(key, store);
  try {
    cloneTree(await store, root);
  } catch (error) {
    prepared.delete(key);
    throw error;
  }
}

/** Stores this process has found or is making: all nodes of a lab start at once and want the same. */
const prepared = new Map<string, Promise<string>>();

/** The prepared root in the cache, made if it is not there yet. */
async function preparedStore(runtime: Runtime, cache: string, snapshotter: "overlayfs" | "native"): Promise<string> {
  const archives = await buildImages(cache);
  const version = await run("containerd", ["--version"]);
  const key = createHash("sha256")
    .update(JSON.stringify([storeVersion, version, snapshotter, archives.map((path) => basename(path))]))
    .digest("hex")
    .slice(0, 16);
  const store = join(cache, `store-${key}`);
  if (await exists(store)) return store;
  // below /tmp, as the cache's own path may be too long for a socket; the root goes into the cache when it is whole
  const work = await mkdtemp("/tmp/antrea-lab-store-");
  try {
    const containerd = await startContainerd(runtime, {
      directory: work,
      cniConfDir: `${work}/cni`,
      cniBinDir: `${work}/cni`,
      pauseImage: pauseReference,
    });
    try {
      await loadImages({ socket: containerd.socket, archives, snapshotter });
    } finally {
      await containerd.stop();
    }
    const staged = `${store}.${process.pid}`;
    cloneTree(containerd.paths.root, staged);
    // another lab may have been quicker
    await rename(staged, store).catch(() => rm(staged, { recursive: true, force: true }));
    return store;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Copies a tree: databases as copies, every other file as a hard link or, across file systems, a copy too. Synchronous: a thousand
 * small steps take 30 ms this way and ten times that one by one through the thread pool.
 */
function cloneTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: statSync(from).mode });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) cloneTree(source, target);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (entry.isFile() && (entry.name.endsWith(".db") || !linked(source, target)))
      copyFileSync(source, target, constants.COPYFILE_FICLONE);
  }
}

function linked(source: string, target: string): boolean {
  try {
    linkSync(source, target);
    return true;
  } catch (error) {
    if (errorCode(error) === "EXDEV" || errorCode(error) === "EMLINK") return false;
    throw error;
  }
}
