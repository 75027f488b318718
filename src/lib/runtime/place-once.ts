import { link, rename } from "node:fs/promises";
import { errorCode } from "./errors.ts";

/**
 * Gives the file `made`, which is whole, the name `path` too, unless there is one: of several who make the same thing at the same time, the first one's stays as it is for whoever
 * uses it already. Where the file system has no links it is renamed, and the last one's stays.
 */
export async function placeOnce(made: string, path: string): Promise<void> {
  await link(made, path).catch((error: unknown) => {
    if (errorCode(error) !== "EEXIST") return rename(made, path);
  });
}
