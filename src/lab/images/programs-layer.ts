import { join } from "node:path";
import { createAuthority, issueCertificate, type KeyPair } from "#lib/apiserver/certificates.ts";
import { hours } from "#lib/runtime/duration.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { projectFolder } from "#lab/programs.ts";
import { imageCache } from "./build.ts";
import { busyboxRoot } from "./busybox.ts";
import { executableWithLibraries } from "./closure.ts";
import { madeOnce } from "./made-once.ts";
import type { TarEntry } from "./tar.ts";

/** Our programs in images, by their path there. */
const programs: Readonly<Record<string, string>> = {
  agnhost: "src/lab/images/agnhost/main.ts",
  coredns: "src/lab/dns/main.ts",
};

/** Debian's, by their path in images: suites of Kubernetes call them in the test server's image, with flags that busybox has not. */
const tools: Readonly<Record<string, string>> = {
  "usr/local/bin/curl": "/usr/bin/curl",
  "usr/local/bin/nc": "/bin/nc.openbsd",
  "usr/bin/getent": "/usr/bin/getent",
  // Busybox's shell runs its own nc, whatever PATH says.
  "bin/sh": "/bin/dash",
};

/**
 * V8's lite mode compiles nothing: after 8 000 requests the test server has 52 MB resident (59 at its peak) instead of 105, answers 3 300
 * requests a second instead of 4 400, and starts as fast.
 */
const shebang = "#!/usr/bin/node --lite-mode";

let entries: Promise<readonly TarEntry[]> | undefined;

/** What the images of our programs have in common, which is all but which program they run: a node keeps it once. */
export function programsLayer(): Promise<readonly TarEntry[]> {
  entries ??= make();
  return entries;
}

async function make(): Promise<readonly TarEntry[]> {
  const bundles = Object.entries(programs).map(
    async ([path, source]): Promise<TarEntry> => ({ kind: "file", path, mode: 0o755, content: await bundle(source) }),
  );
  const added = Object.entries(tools).map(([path, from]) => executableWithLibraries(from, path));
  return [
    ...(await busyboxRoot()),
    ...(await executableWithLibraries(process.execPath, "usr/bin/node")),
    ...(await Promise.all(added)).flat(),
    ...(await Promise.all(bundles)),
    { kind: "symlink", path: "usr/local/bin/dig", target: "/agnhost" },
    // Another name of the same program, by which suites see that a command took the place of the image's own.
    { kind: "symlink", path: "agnhost-2", target: "/agnhost" },
    ...(await localhostCertificate()),
  ];
}

/**
 * What the test server shows those who want TLS of it, under the names that suites pass; some ask only whether the files are there. Made once for a cache,
 * so that the image stays the same.
 */
async function localhostCertificate(): Promise<TarEntry[]> {
  const text = await madeOnce(join(imageCache, "localhost.json"), () => JSON.stringify(newLocalhostCertificate()));
  const { certificate, key } = JSON.parse(text) as KeyPair;
  return [
    { kind: "file", path: "localhost.crt", content: Buffer.from(certificate) },
    { kind: "file", path: "localhost.key", content: Buffer.from(key) },
  ];
}

function newLocalhostCertificate(): KeyPair {
  const runtime = systemRuntime({ level: "error" });
  const authority = createAuthority(runtime, { commonName: "antrea-lab-test-server" });
  const hosts = ["localhost", "127.0.0.1", "::1"];
  return issueCertificate(runtime, authority, { commonName: "localhost", hosts, usages: ["server"], validity: hours(24 * 3_650) });
}

async function bundle(source: string): Promise<Uint8Array> {
  // Only where something is built: antctl also runs where there is no esbuild.
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(projectFolder, source)],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    minify: true,
    write: false,
    legalComments: "none",
    banner: { js: shebang },
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}
