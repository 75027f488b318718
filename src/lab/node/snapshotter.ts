import { run } from "#lab/command.ts";
import { mkdir, mkdtemp, rm } from "node:fs/promises";

/** `overlayfs` where the kernel and the file system below `directory` can do it, found by trying; else `native`, which copies every image. */
export async function chooseSnapshotter(directory: string): Promise<"overlayfs" | "native"> {
  await mkdir(directory, { recursive: true });
  const trial = await mkdtemp(`${directory}/overlay-trial-`);
  try {
    await Promise.all(["lower", "upper", "work", "merged"].map((name) => mkdir(`${trial}/${name}`)));
    const layers = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work`;
    await run("mount", ["-t", "overlay", "overlay", "-o", layers, `${trial}/merged`]);
    await run("umount", [`${trial}/merged`]);
    return "overlayfs";
  } catch {
    return "native";
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}
