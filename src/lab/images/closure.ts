import { run } from "#lab/command.ts";
import { realpath } from "node:fs/promises";
import type { TarEntry } from "./tar.ts";

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
  // ldd ends with 1 for a static executable
  const printed = await run("ldd", [file]).catch(() => "");
  return [...printed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap(([, library]) => library ?? []);
}
