// Bundles each program under dist/, and makes the executable antrea-cni: what the lab and images run. Builds what is not of the present sources.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { buildCni } from "../src/cni/build.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs: Readonly<Record<string, string>> = {
  "antrea-agent": "src/agent/main.ts",
  "antrea-controller": "src/controller/main.ts",
  "lab-api-server": "src/lab/api-server/main.ts",
  "lab-controllers": "src/lab/controllers/main.ts",
  "lab-door": "src/lab/door/main.ts",
  "lab-kubelet": "src/lab/kubelet/main.ts",
};
/**
 * In parts that load when asked for, beside it as `antctl-….js`: what a lab and its simulator need is nine tenths of the program, and to read it a third of what a
 * short command takes.
 */
const inParts: Readonly<Record<string, string>> = { antctl: "src/antctl/main.ts" };
const isPart = (file: string): boolean => /^antctl-.*\.js$/.test(file);
/** Parts of an earlier build stay so long, as an antctl that runs may still ask for them. */
const partsKeptMs = 24 * 3_600_000;
/** Threads that the programs start: files of their own beside them. */
const workers: Readonly<Record<string, string>> = { "netlink-worker": "src/lib/netlink/worker.ts" };

const sources = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => join(folder, file))
    .sort();

const hash = createHash("sha256");
for (const file of [...sources("src"), "package-lock.json", "tools/build.ts"])
  hash
    .update(file)
    .update("\0")
    .update(readFileSync(join(root, file)))
    .update("\0");
const digest = hash.digest("hex");
const stamp = join(root, "dist", ".built");
mkdirSync(join(root, "dist"), { recursive: true });

let built = "";
try {
  built = readFileSync(stamp, "utf8");
} catch {
  // the first build
}
if (built !== digest) {
  const common = {
    absWorkingDir: root,
    write: false,
    outdir: "dist",
    bundle: true,
    platform: "node",
    target: "node26",
    format: "esm",
    minifySyntax: true,
    sourcemap: false,
    legalComments: "none",
    logLevel: "warning",
    // koffi finds its native part beside itself, so it stays a package
    external: ["koffi", "esbuild"],
    // CommonJS packages call require for Node's own modules
    banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
  } as const satisfies BuildOptions;
  const made = [
    await build({ ...common, entryPoints: { ...programs, ...workers } }),
    await build({ ...common, entryPoints: inParts, splitting: true, chunkNames: "antctl-[hash]" }),
  ].flatMap(({ outputFiles }) => outputFiles);
  // Parts before what asks for them, and each whole or not at all: who starts a program meanwhile has the old one or the new one.
  const partsFirst = made.sort((one, other) => Number(isPart(basename(other.path))) - Number(isPart(basename(one.path))));
  for (const { path, contents } of partsFirst) {
    writeFileSync(`${path}.new`, contents);
    renameSync(`${path}.new`, path);
  }
  const present = new Set(made.map(({ path }) => basename(path)));
  // What images take along: not the parts of before.
  writeFileSync(join(root, "dist", "antctl.parts"), [...present].filter(isPart).sort().join("\n"));
  for (const file of readdirSync(join(root, "dist")))
    if (isPart(file) && !present.has(file) && statSync(join(root, "dist", file)).mtimeMs < Date.now() - partsKeptMs)
      rmSync(join(root, "dist", file));
  writeFileSync(stamp, digest);
}
await buildCni({ outFile: join(root, "dist", "antrea-cni") });
