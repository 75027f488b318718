import { existsSync } from "node:fs";
import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { LabRequirement } from "../errors.ts";

/** Where Debian's `containernetworking-plugins` keeps them, and where everybody else does. */
const folders = ["/usr/lib/cni", "/opt/cni/bin"];

/** Plugins of others that run beside ours: opening host ports and shaping bandwidth after it, pods' interfaces and addresses before it. */
const names = ["portmap", "bandwidth", "ptp", "host-local"];

/** Throws {@link LabRequirement} naming what is missing. */
export function checkStockPlugins(): void {
  const missing = names.filter((name) => pathOf(name) === undefined);
  if (missing.length > 0)
    throw new LabRequirement(
      `missing CNI plugins: ${missing.join(", ")}`,
      "run npm run setup, or apt-get install containernetworking-plugins",
    );
}

/** Puts them into containerd's CNI folder. */
export async function installStockPlugins(cniBinDir: string): Promise<void> {
  for (const name of names) {
    const path = pathOf(name);
    if (path === undefined) continue;
    await rm(join(cniBinDir, name), { force: true });
    await symlink(path, join(cniBinDir, name));
  }
}

const pathOf = (name: string): string | undefined => folders.map((folder) => join(folder, name)).find(existsSync);
