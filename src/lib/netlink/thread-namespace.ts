import { closeSync, mkdirSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { enterNetwork, mountBind, unmount, unshareNetwork } from "./libc.ts";

const ownPath = "/proc/thread-self/ns/net";

/** The namespace this thread was in when the module loaded. */
const home = openSync(ownPath, "r");

/** Runs `callback` with the calling thread in the namespace of `fd` and goes back whatever happens. The callback must not wait for anything. */
export function inNetwork<T>(fd: number, callback: () => T): T {
  enterNetwork(fd);
  try {
    return callback();
  } finally {
    goHome();
  }
}

/** A descriptor of the namespace at `path`; entering it once proves that it is one. */
export function openNetwork(path: string): number {
  const fd = openSync(path, "r");
  try {
    inNetwork(fd, () => {});
    return fd;
  } catch (failure) {
    closeSync(fd);
    throw failure;
  }
}

/** Makes a network namespace; with `path`, it is bound there as `ip netns add` does and lives until {@link removeNetwork}. */
export function createNetwork(path: string | undefined): number {
  unshareNetwork();
  try {
    if (path !== undefined) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, "", { flag: "wx" });
      try {
        mountBind(ownPath, path);
      } catch (failure) {
        unlinkSync(path);
        throw failure;
      }
    }
    return openSync(ownPath, "r");
  } finally {
    goHome();
  }
}

export function removeNetwork(path: string): void {
  unmount(path);
  unlinkSync(path);
}

function goHome(): void {
  try {
    enterNetwork(home);
  } catch (failure) {
    // A thread lost in another namespace would do everything after this to the wrong interfaces.
    process.stderr.write(`netlink worker cannot return to its network namespace: ${String(failure)}\n`);
    process.exit(70);
  }
}
