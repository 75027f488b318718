import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";

/** Where the bundle of a test file is, relative to the checkout. */
export const bundleOf = (file: string): string =>
  join(
    "dist",
    "testing",
    `${file
      .replace(/^src\//, "")
      .replaceAll("/", "-")
      .replace(/\.ts$/, "")}.js`,
  );

/** Starts a thread, which is a script of its own: that of the build, as Node reads TypeScript by WebAssembly, which it has not with `--jitless`. */
const startsThread = /\/lib\/netlink\/worker-client\.ts$/;

/** Modules ask where they are to find what is beside them: a bundle tells each its own place. */
const ownPlaces = (root: string): Plugin => ({
  name: "own places",
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      const place = startsThread.test(path) ? join(root, "dist", "worker-client.js") : path;
      return {
        contents: (await readFile(path, "utf8"))
          .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(place).href))
          .replaceAll("import.meta.dirname", JSON.stringify(dirname(place))),
        loader: "ts",
      };
    });
  },
});

const common = (root: string): BuildOptions => ({
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node26",
  format: "esm",
  logLevel: "warning",
  plugins: [ownPlaces(root)],
  external: ["koffi", "esbuild"],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

/** Makes each file one script with all that it imports: an emulated machine takes seconds to find and read hundreds. */
export async function bundleTests(root: string, files: readonly string[]): Promise<void> {
  await Promise.all(files.map((file) => build({ ...common(root), entryPoints: [file], outfile: bundleOf(file) })));
}

/** What runs benches, relative to the checkout, and its bundle, which reads of all benches the one that is asked for. */
export const benchBundle = "dist/testing/bench/run.js";

export async function bundleBenches(root: string): Promise<void> {
  await build({ ...common(root), entryPoints: ["bench/run.ts"], outdir: "dist/testing/bench", splitting: true });
}
