import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, chmod, copyFile, link, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { errorCode, errorMessage } from "#lib/runtime/errors.ts";
import { placeOnce } from "#lib/runtime/place-once.ts";
import { CniBuildFailed } from "./errors.ts";

/** Two floors up from this source, one up from a bundle that contains it (`dist/antctl.js`). */
const root = fileURLToPath(new URL(import.meta.url.endsWith("/src/cni/build.ts") ? "../../" : "../", import.meta.url));
const bunPackages: Readonly<Record<string, string>> = { x64: "@oven/bun-linux-x64-baseline", arm64: "@oven/bun-linux-aarch64" };

/** Ahead-of-time bytecode halves the start; without the autoload switches the executable would read `.env` and `bunfig.toml` where it is started. */
const compileFlags = ["build", "--compile", "--bytecode", "--minify", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];

/**
 * Builds the executable and places it at `outFile`. Equal sources give the same file: it is compiled once, kept under `.cache/` by the digest
 * of what goes into it, and linked from there. Why Bun: docs/design/cni.md.
 */
export async function buildCni({ outFile }: { readonly outFile: string }): Promise<void> {
  const bun = compiler();
  const script = await bundle();
  const digest = createHash("sha256")
    .update(JSON.stringify([compileFlags, bun.name, await versionOf(bun.path), script]))
    .digest("hex");
  const cached = join(root, ".cache", "antrea-cni", digest.slice(0, 16));
  if (!(await exists(cached))) await compile({ bun: bun.path, script, outFile: cached });
  await place(cached, outFile);
}

/** The whole program as one script, with nothing of the machine in it. */
async function bundle(): Promise<string> {
  // Only where something is built: antctl also runs where there is no esbuild.
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [join(root, "src", "cni", "main.ts")],
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    minify: true,
    write: false,
    logLevel: "silent",
  }).catch((error: unknown) => {
    throw new CniBuildFailed(errorMessage(error));
  });
  return result.outputFiles[0]?.text ?? "";
}

function compiler(): { readonly name: string; readonly path: string } {
  const name = bunPackages[process.arch];
  if (name === undefined) throw new CniBuildFailed(`there is no Bun for ${process.arch}; x64 and arm64 are supported`);
  return { name, path: join(root, "node_modules", name, "bin", "bun") };
}

async function versionOf(bun: string): Promise<string> {
  try {
    return (await promisify(execFile)(bun, ["--version"])).stdout.trim();
  } catch (error) {
    throw new CniBuildFailed(`${bun} does not run (${errorMessage(error)}); install the packages of the lock file with npm ci`);
  }
}

async function compile({
  bun,
  script,
  outFile,
}: {
  readonly bun: string;
  readonly script: string;
  readonly outFile: string;
}): Promise<void> {
  await mkdir(dirname(outFile), { recursive: true });
  const work = await mkdtemp(`${outFile}.`);
  try {
    await writeFile(join(work, "antrea-cni.cjs"), script);
    await promisify(execFile)(bun, [...compileFlags, "antrea-cni.cjs", "--outfile", "antrea"], { cwd: work });
    await chmod(join(work, "antrea"), 0o755);
    // Whoever builds at the same time makes the same file, and may be linking it: that fails with ENOENT where it is replaced meanwhile.
    await placeOnce(join(work, "antrea"), outFile);
    await forgetOlder(dirname(outFile));
  } catch (error) {
    throw new CniBuildFailed(errorMessage(error));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Each is 110 MB; a few are kept for whoever switches between versions. */
const keptBuilds = 3;

async function forgetOlder(cache: string): Promise<void> {
  const builds = (await readdir(cache)).filter((name) => !name.includes(".")).map((name) => join(cache, name));
  const dated = await Promise.all(builds.map(async (path) => ({ path, modified: (await stat(path)).mtimeMs })));
  const older = dated.sort((a, b) => b.modified - a.modified).slice(keptBuilds);
  for (const { path } of older) await rm(path, { force: true });
}

/** A hard link where possible: 110 MB for each node of a lab would be a waste. Whoever executes the old file keeps it. */
async function place(source: string, outFile: string): Promise<void> {
  await mkdir(dirname(outFile), { recursive: true });
  const fresh = `${outFile}.${process.pid}`;
  await rm(fresh, { force: true });
  try {
    await link(source, fresh);
  } catch (error) {
    if (!["EXDEV", "EPERM", "EMLINK"].includes(errorCode(error) ?? "")) throw error;
    await copyFile(source, fresh);
  }
  await rename(fresh, outFile);
  // Renaming one name of a file onto another of the same file does nothing and leaves both.
  await rm(fresh, { force: true });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
