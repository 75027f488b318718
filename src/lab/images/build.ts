import { createHash } from "node:crypto";
import { access, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { projectFolder } from "#lab/programs.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { ImageDefinition } from "./definition.ts";
import { ImageBuildFailed } from "./errors.ts";
import { writeImageArchive } from "./oci-archive.ts";

/** Where archives and prepared stores are kept between starts; safe to delete. */
export const imageCache = join(projectFolder, ".cache/images");

/** Raised when the archive's own format changes, so that older archives are not taken for new ones. */
const formatVersion = 1;

/** The archive of `image` in `directory`, built if it is not there yet. Its name carries a fingerprint of all it is made of. */
export async function buildImage(image: ImageDefinition, directory: string = imageCache): Promise<string> {
  try {
    const path = `${directory}/${image.name.split(" ")[0]}-${await fingerprint(image)}.tar`;
    if (await exists(path)) return path;
    await mkdir(directory, { recursive: true });
    await writeImageArchive(image, path);
    return path;
  } catch (error) {
    throw new ImageBuildFailed(image.name, errorMessage(error));
  }
}

/** Content of ours is hashed; a file of the machine counts by path, size and time of change, as reading 100 MB would cost each start 0.1 s. */
async function fingerprint(image: ImageDefinition): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([formatVersion, process.arch, image.name, image.tags, image.config, image.variants ?? []]));
  for (const entry of image.entries) {
    hash.update(JSON.stringify([entry.kind, entry.path, "mode" in entry ? entry.mode : 0, "target" in entry ? entry.target : ""]));
    if (entry.kind !== "file") continue;
    if (entry.content instanceof Uint8Array) hash.update(entry.content);
    else {
      const { size, mtimeMs } = await stat(entry.content.from);
      hash.update(JSON.stringify([entry.content.from, size, mtimeMs]));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
