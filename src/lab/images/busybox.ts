import { run } from "#lab/command.ts";
import { type ImageDefinition, type ImageVariant, tagged } from "./definition.ts";
import type { TarEntry } from "./tar.ts";

/** Debian's static busybox (package busybox-static). */
const busybox = "/bin/busybox";

/** The files of a small root: the shell with its commands under their usual paths, users root and nobody, /tmp. */
export async function busyboxRoot(): Promise<TarEntry[]> {
  const stdout = await run(busybox, ["--list-full"]);
  const commands = stdout.split("\n").filter((path) => path !== "" && path !== "bin/busybox");
  return [
    { kind: "file", path: "bin/busybox", mode: 0o755, content: { from: busybox } },
    ...commands.map((path): TarEntry => ({ kind: "symlink", path, target: "/bin/busybox" })),
    { kind: "directory", path: "tmp", mode: 0o1777 },
    { kind: "directory", path: "root", mode: 0o700 },
    { kind: "directory", path: "var" },
    { kind: "directory", path: "home" },
    text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    text("etc/group", "root:x:0:\nnobody:x:65534:\n"),
    text("etc/nsswitch.conf", "hosts: files dns\n"),
  ];
}

export async function busyboxImage(): Promise<ImageDefinition> {
  return {
    name: "busybox (Debian busybox-static)",
    tags: tagged("docker.io/library/busybox", ["latest", "stable", "1.28", "1.35", "1.36", "1.37"]),
    entries: [...(await busyboxRoot()), text(`${webRoot}/index.html`, "<title>Welcome to nginx!</title>\n")],
    config: { command: ["sh"] },
    variants: [webServer],
  };
}

const webRoot = "usr/share/nginx/html";

/** What suites of Kubernetes and examples take for "some web server": a page on port 80, under the folder of the stock one. */
const webServer: ImageVariant = {
  tags: [
    ...tagged("docker.io/library/nginx", ["latest", "stable"]),
    ...tagged("registry.k8s.io/e2e-test-images/nginx", ["1.14-4", "1.15-4", "1.27-0"]),
  ],
  config: { command: ["httpd", "-f", "-p", "80", "-h", `/${webRoot}`] },
};

/** Holds a pod's namespaces. As process 1 of a shared PID namespace it reaps: the shell collects every child that ends, adopted ones too. */
const pauseScript = `#!/bin/sh
trap 'kill $!; exit 0' TERM INT
while :; do
  sleep 2147483647 &
  wait
done
`;

export function pauseImage(): ImageDefinition {
  return {
    name: "pause (busybox shell)",
    tags: tagged("registry.k8s.io/pause", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.10.1", "3.10.2"]),
    entries: [
      { kind: "file", path: "bin/busybox", mode: 0o755, content: { from: busybox } },
      { kind: "symlink", path: "bin/sh", target: "/bin/busybox" },
      { kind: "symlink", path: "bin/sleep", target: "/bin/busybox" },
      text("pause", pauseScript, 0o755),
    ],
    config: { entrypoint: ["/pause"] },
  };
}

function text(path: string, content: string, mode = 0o644): TarEntry {
  return { kind: "file", path, mode, content: Buffer.from(content) };
}
