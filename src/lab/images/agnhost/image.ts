import { join } from "node:path";
import { projectFolder } from "#lab/programs.ts";
import { busyboxRoot } from "../busybox.ts";
import { executableWithLibraries } from "../closure.ts";
import { type ImageDefinition, tagged } from "../definition.ts";

/**
 * V8's lite mode compiles nothing: after 8 000 requests the server has 52 MB resident (59 at its peak) instead of 105, answers 3 300
 * requests a second instead of 4 400, and starts as fast.
 */
const shebang = "#!/usr/bin/node --lite-mode";

/** A real kubelet knows nothing of stand-ins: the tags that suites of Kubernetes 1.24 to 1.37 ask for are there by name. */
const versions = [
  ...["2.39", "2.40", "2.43", "2.45", "2.47", "2.52", "2.53", "2.54", "2.55", "2.56", "2.57", "2.59"],
  ...["2.60.0", "2.61.0", "2.62.0", "2.63.0", "2.64.0", "2.65.0"],
];

/** The test server: our commands, bundled, on the Node that runs the lab, beside a shell. */
export async function agnhostImage(): Promise<ImageDefinition> {
  return {
    name: "agnhost (the lab's own test server)",
    tags: tagged("registry.k8s.io/e2e-test-images/agnhost", versions),
    entries: [
      ...(await busyboxRoot()),
      ...(await executableWithLibraries(process.execPath, "usr/bin/node")),
      { kind: "file", path: "agnhost", mode: 0o755, content: await bundle() },
    ],
    config: { entrypoint: ["/agnhost"], command: ["pause"] },
  };
}

async function bundle(): Promise<Uint8Array> {
  // Only where something is built: antctl also runs where there is no esbuild.
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(projectFolder, "src/lab/images/agnhost/main.ts")],
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
