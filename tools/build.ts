// Bundles each program under dist/, and makes the executable antrea-cni: what the lab and images run. Builds what is not of the present sources.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
  const common: BuildOptions = {
    absWorkingDir: root,
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
  };
  for (const file of readdirSync(join(root, "dist"))) if (isPart(file)) rmSync(join(root, "dist", file));
  await build({ ...common, entryPoints: { ...programs, ...workers } });
  await build({ ...common, entryPoints: inParts, splitting: true, chunkNames: "antctl-[hash]" });
  writeFileSync(stamp, digest);
}
await buildCni({ outFile: join(root, "dist", "antrea-cni") });
