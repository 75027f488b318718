import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { connectCri } from "#lib/cri/client.ts";
import { type Duration, milliseconds, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { type ContainerdPaths, containerdPaths, formatContainerdConfig } from "./containerd-config.ts";
import { cleanupContainerd } from "./containerd-cleanup.ts";
import { ContainerdFailed } from "./errors.ts";
import { installLoopbackPlugin } from "./loopback-plugin.ts";
import { chooseSnapshotter } from "./snapshotter.ts";

export interface ContainerdOptions {
  /** Absolute; root, state, socket, configuration and log live below it. At most 80 characters, as socket paths are bounded at 107. */
  readonly directory: string;
  /** The node's network namespace as a path (`/run/netns/NAME`); without it containerd runs in the caller's. */
  readonly netns?: string | undefined;
  /** A process whose mount namespace containerd shares. Pods' network namespaces are then below its `/run/netns`, as on a machine of its own. */
  readonly mountsOf?: number | undefined;
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  /** Image of sandboxes, already imported or to be imported before the first pod. */
  readonly pauseImage: string;
  /** Added to the environment of containerd and so of its shims. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How long the first start may take before it counts as failed. Default 30 s. */
  readonly timeout?: Duration;
}

export interface Containerd {
  readonly paths: ContainerdPaths;
  readonly socket: string;
  readonly pid: number;
  /** Settles when the process has ended, for whatever reason; containers go on under their shims. */
  readonly exited: Promise<void>;
  /** Ends containerd and every container, and removes mounts, namespaces, cgroups and the state folder. Images stay. */
  stop(): Promise<void>;
}

/** The longest directory that leaves room for the socket's name within the 107 bytes of a Unix socket path. */
const maxDirectoryLength = 80;

/** Starts a containerd of the node's own and waits until its CRI answers. A second start on the same directory adopts running containers. */
export async function startContainerd(runtime: Runtime, options: ContainerdOptions): Promise<Containerd> {
  const { directory } = options;
  const paths = containerdPaths(directory);
  if (directory.length > maxDirectoryLength)
    throw new ContainerdFailed(
      `${directory} is longer than ${maxDirectoryLength} characters: choose a shorter directory for the lab`,
      paths.log,
    );
  await Promise.all([paths.root, paths.state, paths.opt].map((path) => mkdir(path, { recursive: true, mode: 0o711 })));
  await writeFile(
    paths.config,
    formatContainerdConfig({
      paths,
      cniConfDir: options.cniConfDir,
      cniBinDir: options.cniBinDir,
      pauseImage: options.pauseImage,
      snapshotter: await chooseSnapshotter(paths.root),
      restrictOomScoreAdj: !(await mayLowerOomScore()),
      ownMachine: options.mountsOf !== undefined,
    }),
  );
  await installLoopbackPlugin(options.mountsOf === undefined ? options.cniBinDir : `/proc/${options.mountsOf}/root${options.cniBinDir}`);
  await rm(paths.socket, { force: true });
  const child = await spawnInNetns(paths, options);
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await cleanupContainerd({ directory, clock: runtime.clock });
    await exited;
  };
  try {
    await answering(runtime, { socket: paths.socket, child, timeout: options.timeout ?? seconds(30), log: paths.log });
  } catch (error) {
    await stop();
    throw error;
  }
  return { paths, socket: paths.socket, pid: child.pid ?? 0, exited, stop };
}

/**
 * nsenter and not `ip netns exec`: the latter makes a private mount namespace, in which the pods' namespaces that containerd
 * mounts would be invisible to the agent, and mounts a new /sys without the cgroups.
 */
async function spawnInNetns(paths: ContainerdPaths, { netns, mountsOf, environment }: ContainerdOptions): Promise<ChildProcess> {
  const containerd = ["containerd", "--config", paths.config];
  const [command = "", ...args] =
    netns === undefined
      ? containerd
      : ["nsenter", `--net=${netns}`, ...(mountsOf === undefined ? [] : [`--mount=/proc/${mountsOf}/ns/mnt`]), "--", ...containerd];
  const log = await open(paths.log, "a");
  try {
    const child = spawn(command, args, { stdio: ["ignore", log.fd, log.fd], detached: true, env: { ...process.env, ...environment } });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) => reject(new ContainerdFailed(errorMessage(error), paths.log)));
    });
    return child;
  } finally {
    await log.close();
  }
}

async function answering(
  { clock }: Runtime,
  {
    socket,
    child,
    timeout,
    log,
  }: { readonly socket: string; readonly child: ChildProcess; readonly timeout: Duration; readonly log: string },
): Promise<void> {
  const deadline = clock.monotonic() + timeout;
  const cri = connectCri({ clock, socket });
  try {
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new ContainerdFailed(`it ended with ${child.signalCode ?? `exit code ${child.exitCode}`}: ${await lastLine(log)}`, log);
      try {
        await cri.version({}, { timeout: seconds(1) });
        return;
      } catch (error) {
        if (clock.monotonic() > deadline) throw new ContainerdFailed(errorMessage(error), log);
      }
      await sleep(clock, milliseconds(20));
    }
  } finally {
    cri.close();
  }
}

async function lastLine(log: string): Promise<string> {
  return (await readFile(log, "utf8")).trimEnd().split("\n").at(-1) ?? "";
}

/** Bit of CAP_SYS_RESOURCE in the capability masks of /proc (linux/capability.h). */
const capSysResource = 24n;

async function mayLowerOomScore(): Promise<boolean> {
  const status = await readFile("/proc/self/status", "utf8");
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> capSysResource) & 1n) === 1n;
}
