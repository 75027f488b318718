import { execFile } from "node:child_process";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
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

/** Finds QEMU, or installs Debian's. Starts no daemon, removes nothing. */
export async function requireEmulator(say: (line: string) => void): Promise<string> {
  const found = await run("which", [emulator]).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
  if (found !== undefined) return found;
  say("installing Debian package qemu-system-x86: the machine that Debian's kernel is started on");
  await apt("update");
  await apt("install", "-y", "--no-remove", "--no-install-recommends", "qemu-system-x86");
  return (await run("which", [emulator])).stdout.trim();
}

/** Debian's newest kernel of this release; downloaded once, and again when there is a newer one and the network is there. */
export async function requireKernel(say: (line: string) => void): Promise<StockKernel> {
  await mkdir(cache, { recursive: true });
  let name = await newestPackage();
  if (name === undefined) {
    // The lists of packages may not be there yet, or the network not now: then what was downloaded before does.
    await apt("update").catch(() => {});
    name = await newestPackage();
  }
  const known =
    name === undefined
      ? (await readdir(cache))
          .filter((each) => each.startsWith("linux-image-"))
          .sort()
          .at(-1)
      : name;
  if (known === undefined)
    throw new Error("apt knows no package linux-image-amd64: run `apt-get update` on a machine with Debian 12 and the network");
  const root = join(cache, known);
  if (!(await exists(root))) {
    say(`downloading Debian package ${known}, about 70 MB, to ${cache}`);
    const downloads = join(cache, `${known}.download`);
    await rm(downloads, { recursive: true, force: true });
    await mkdir(downloads);
    await run("apt-get", ["download", known], { cwd: downloads });
    const [archive = ""] = await readdir(downloads);
    await run("dpkg-deb", ["-x", join(downloads, archive), join(downloads, "root")]);
    await run("depmod", ["-b", join(downloads, "root"), versionOf(known)]);
    await rename(join(downloads, "root"), root);
    await rm(downloads, { recursive: true });
  }
  const version = versionOf(known);
  const packed = join(root, "boot", `vmlinuz-${version}`);
  const elf = join(root, "boot", `vmlinux-${version}`);
  return { version, image: (await exists(elf)) || (await unpackKernel(packed, elf)) ? elf : packed, root };
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

const versionOf = (name: string): string => name.slice("linux-image-".length);

async function newestPackage(): Promise<string | undefined> {
  const { stdout } = await run("apt-cache", ["depends", "linux-image-amd64"]).catch(() => ({ stdout: "" }));
  return /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
}

const apt = (...args: string[]): Promise<unknown> => run("apt-get", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
