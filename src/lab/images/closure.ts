import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";
import type { TarEntry } from "./tar.ts";

const run = promisify(execFile);

/** The executable at `file`, placed at `path` in the image, and every shared library that the loader of this machine gives it, by `ldd`. */
export async function executableWithLibraries(file: string, path: string): Promise<TarEntry[]> {
  const libraries = await sharedLibraries(file);
  return [
    { kind: "file", path, mode: 0o755, content: { from: await realpath(file) } },
    ...(await Promise.all(
      libraries.map(async (library): Promise<TarEntry> => {
        return { kind: "file", path: library.slice(1), mode: 0o755, content: { from: await realpath(library) } };
      }),
    )),
  ];
}

/** Absolute paths under which `file` finds its libraries, the loader among them; none for a static executable. */
async function sharedLibraries(file: string): Promise<string[]> {
  const printed = await run("ldd", [file]).then(
    ({ stdout }) => stdout,
    // ldd ends with 1 for a static executable
    () => "",
  );
  return [...printed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap(([, library]) => library ?? []);
}
