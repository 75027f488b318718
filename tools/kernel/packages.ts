import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../../src/lib/runtime/errors.ts";
import { unpackKernel } from "./unpack-kernel.ts";

const run = promisify(execFile);

/** Debian's stock kernel for this machine, unpacked. */
export interface StockKernel {
  readonly version: string;
  /** The kernel itself, as QEMU loads it. */
  readonly image: string;
  /** Holds `lib/modules/VERSION`. */
  readonly root: string;
}

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "antrea-ts", "kernel");
const emulator = "qemu-system-x86_64";

/** What hangs for longer does not come. */
const fetchMinutes = 5;
/** A server that says nothing is given up soon, and another installation is waited for. */
const aptOptions = ["-o", "Acquire::http::Timeout=20", "-o", "DPkg::Lock::Timeout=120"];

/** Finds QEMU, or installs Debian's. Starts no daemon, removes nothing. */
export async function requireEmulator(say: (line: string) => void): Promise<string> {
  const found = await run("which", [emulator]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
  if (found !== undefined) return found;
  say("installing Debian package qemu-system-x86: the machine that Debian's kernel is started on");
  const name = "qemu-system-x86";
  await apt(["update"]).catch(missing(name));
  await apt(["install", "-y", "--no-remove", "--no-install-recommends", name]).catch(missing(name));
  return (await run("which", [emulator])).stdout.trim();
}

/** Debian's newest kernel of this release; downloaded once, and again when there is a newer one. Without the network the newest that is here does. */
export async function requireKernel(say: (line: string) => void): Promise<StockKernel> {
  await mkdir(cache, { recursive: true });
  let name = await newestPackage();
  if (name === undefined || !(await exists(join(cache, name)))) {
    // Debian's servers have no longer what lists of last month say.
    await apt(["update"]).catch(() => {});
    name = (await newestPackage()) ?? "linux-image-amd64";
    if (!(await exists(join(cache, name))))
      await download(name, say).catch(async (error: unknown) => {
        const here = (await readdir(cache)).filter((each) => each.startsWith(prefix) && !each.endsWith(unfinished)).sort();
        name = here.at(-1);
        if (name === undefined) throw error;
        say(`${errorMessage(error)}: ${name} does`);
      });
  }
  const root = join(cache, name);
  const version = versionOf(name);
  const packed = join(root, "boot", `vmlinuz-${version}`);
  const elf = join(root, "boot", `vmlinux-${version}`);
  return { version, image: (await exists(elf)) || (await unpackKernel(packed, elf)) ? elf : packed, root };
}

async function download(name: string, say: (line: string) => void): Promise<void> {
  say(`downloading Debian package ${name}, about 70 MB, to ${cache}`);
  const downloads = join(cache, name + unfinished);
  await rm(downloads, { recursive: true, force: true });
  await mkdir(downloads);
  await apt(["download", name], { cwd: downloads }).catch(missing(name));
  const [archive = ""] = await readdir(downloads);
  await run("dpkg-deb", ["-x", join(downloads, archive), join(downloads, "root")]);
  await run("depmod", ["-b", join(downloads, "root"), versionOf(name)]);
  await rename(join(downloads, "root"), join(cache, name));
  await rm(downloads, { recursive: true });
}

/** Files of the modules, in the order in which they must be loaded. */
export async function moduleFiles({ root, version }: StockKernel, names: readonly string[]): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const name of names) {
    const { stdout } = await run("modprobe", ["-d", root, "-S", version, "--show-depends", name]);
    for (const line of stdout.split("\n")) if (line.startsWith("insmod ")) files.add(line.slice("insmod ".length).trim());
  }
  return [...files];
}

const prefix = "linux-image-";
const unfinished = ".download";
const versionOf = (name: string): string => name.slice(prefix.length);

async function newestPackage(): Promise<string | undefined> {
  const { stdout } = await run("apt-cache", ["depends", "linux-image-amd64"]).catch(() => ({ stdout: "" }));
  return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
}

const apt = (args: readonly string[], { cwd = "/" } = {}): Promise<unknown> =>
  run("apt-get", [...aptOptions, ...args], {
    cwd,
    timeout: fetchMinutes * 60_000,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });

const missing =
  (name: string) =>
  (error: Error & { readonly stderr?: string }): never => {
    const [why = error.message] = (error.stderr ?? "").split("\n").filter((line) => line.startsWith("E: "));
    throw new Error(`the machine needs Debian package ${name}, which cannot be fetched: ${why}`, { cause: error });
  };

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
