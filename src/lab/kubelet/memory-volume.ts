import { readFile } from "node:fs/promises";
import { run } from "#lab/command.ts";
import { parseQuantity } from "#lib/kube/quantity.ts";

/** Puts a file system in memory on `folder`, unless there is one: an emptyDir of medium Memory. `sizeLimit` is a quantity of bytes; default: the kernel's. */
export async function mountMemory(folder: string, sizeLimit?: string): Promise<void> {
  if ((await mountsBelow(folder)).includes(folder)) return;
  const bytes = sizeLimit === undefined ? undefined : parseQuantity(sizeLimit);
  const size = bytes === undefined || bytes <= 0 ? [] : ["-o", `size=${Math.ceil(bytes)}`];
  await run("mount", ["-t", "tmpfs", ...size, "tmpfs", folder]);
}

/** Takes every mount at or below `folder` away, the innermost first, so that the folder can be removed. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = await mountsBelow(folder);
  if (mounts.length > 0) await run("umount", ["--lazy", "--", ...mounts.reverse()]);
}

/** In the order in which they were mounted. */
async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  const points = lines.map((line) =>
    (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
  );
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`));
}
