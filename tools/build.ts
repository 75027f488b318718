// Bundles each program into one file under dist/, and makes the executable antrea-cni: what the lab and images run. Builds what is not of the present sources.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildCni } from "../src/cni/build.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs: Readonly<Record<string, string>> = {
  "antrea-agent": "src/agent/main.ts",
  "antrea-controller": "src/controller/main.ts",
  antctl: "src/antctl/main.ts",
  "lab-api-server": "src/lab/api-server/main.ts",
  "lab-controllers": "src/lab/controllers/main.ts",
  "lab-door": "src/lab/door/main.ts",
  "lab-kubelet": "src/lab/kubelet/main.ts",
};
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
  await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(Object.entries({ ...programs, ...workers }).map(([name, file]) => [name, file])),
    outdir: "dist",
    bundle: true,
    splitting: false,
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
  });
  writeFileSync(stamp, digest);
}
await buildCni({ outFile: join(root, "dist", "antrea-cni") });
