import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCniExecutable } from "#lab/cni-executable.ts";
import { nodeOptions, projectFolder } from "#lab/programs.ts";
import { busyboxRoot } from "../busybox.ts";
import { executableWithLibraries } from "../closure.ts";
import type { ImageDefinition } from "../definition.ts";
import type { TarEntry } from "../tar.ts";

/** Programs of the system that the product calls, and that people look for in its Pods; each by its path here and in the image. */
const debianPrograms = [
  "/usr/sbin/ovsdb-server",
  "/usr/sbin/ovs-vswitchd",
  "/usr/bin/ovsdb-tool",
  "/usr/bin/ovsdb-client",
  "/usr/bin/ovs-vsctl",
  "/usr/bin/ovs-ofctl",
  "/usr/bin/ovs-appctl",
  "/usr/bin/ovs-dpctl",
  "/usr/sbin/nft",
  "/usr/sbin/ip",
];
const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema";

/** Our programs: each a bundle, run by the Node in the image. */
const bundles = ["antrea-agent", "antrea-controller", "antctl"] as const;
const scripts = ["antrea-install-cni", "antrea-start-ovs"];
const programFolder = "usr/lib/antrea";

/** The image that `deploy/antrea.yml` names, for the architecture of this machine: one for agent, controller and Open vSwitch. Needs the bundles. */
export async function antreaImage(version: string): Promise<ImageDefinition> {
  const script = (name: string): Promise<Buffer> => readFile(join(projectFolder, "src/lab/images/antrea", `${name}.sh`));
  const executable = (path: string, content: Uint8Array | string): TarEntry => ({
    kind: "file",
    path,
    mode: 0o755,
    content: typeof content === "string" ? Buffer.from(content) : content,
  });
  return {
    name: "antrea-ts",
    tags: [`docker.io/library/antrea-ts:${version}`],
    entries: [
      ...(await busyboxRoot()),
      ...(await executableWithLibraries(process.execPath, "usr/bin/node")),
      ...(await Promise.all(debianPrograms.map((file) => executableWithLibraries(file, file.slice(1))))).flat(),
      { kind: "file", path: ovsSchema.slice(1), content: { from: ovsSchema } },
      ...(await koffi()),
      ...(await bundleFiles()).map(
        (file): TarEntry => ({ kind: "file", path: `${programFolder}/${file}`, content: { from: join(projectFolder, "dist", file) } }),
      ),
      { kind: "file", path: "usr/lib/package.json", content: Buffer.from(JSON.stringify({ name: "antrea-ts", version, type: "module" })) },
      ...bundles.map((name) => executable(`usr/local/bin/${name}`, startOf(name))),
      ...(await Promise.all(scripts.map(async (name) => executable(`usr/local/bin/${name}`, await script(name))))),
      { kind: "file", path: "usr/local/bin/antrea-cni", mode: 0o755, content: { from: await buildCniExecutable() } },
    ],
    config: {
      command: ["antctl", "version"],
      labels: { "org.opencontainers.image.title": "antrea-ts", "org.opencontainers.image.version": version },
    },
  };
}

/** The programs, the thread that they start, and the parts that antctl loads when asked for. */
async function bundleFiles(): Promise<string[]> {
  const parts = (await readFile(join(projectFolder, "dist", "antctl.parts"), "utf8")).split("\n");
  return [...bundles.map((name) => `${name}.js`), "netlink-worker.js", ...parts];
}

function startOf(bundle: (typeof bundles)[number]): string {
  const options = bundle === "antctl" ? [] : (nodeOptions[bundle] ?? []);
  return `#!/bin/sh\nexec ${["/usr/bin/node", ...options, `/${programFolder}/${bundle}.js`].join(" ")} "$@"\n`;
}

/** koffi finds its native part beside itself, so it stays a package. */
async function koffi(): Promise<TarEntry[]> {
  const modules = join(projectFolder, "node_modules");
  const listed = await Promise.all(
    ["koffi", `@koromix/koffi-linux-${process.arch}`].map(async (folder) =>
      (await readdir(join(modules, folder), { recursive: true })).map((file) => `${folder}/${file}`),
    ),
  );
  const files = listed.flat().filter((file) => /\.(c?js|json|node)$/.test(file) && !/\/(vendor|doc|musl_\w+)\//.test(file));
  return files.map((file) => ({ kind: "file", path: `${programFolder}/node_modules/${file}`, content: { from: join(modules, file) } }));
}
