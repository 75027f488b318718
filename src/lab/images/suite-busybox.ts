import { busyboxRoot } from "./busybox.ts";
import { executableWithLibraries } from "./closure.ts";
import { type ImageDefinition, tagged } from "./definition.ts";
import type { TarEntry } from "./tar.ts";

/** What it prints is who the file system says it is: `id` is there with the bit that makes its owner's rights those of whoever starts it. */
const whoAmI = `#!/bin/sh
echo "Effective uid: $(/usr/bin/id -u)"
`;

/**
 * Busybox under the names that suites of Kubernetes use. They pass variables to a shell that are no names to it (`data-1`), and ask what its children have: of
 * Debian's shells, bash alone passes them on.
 */
export async function suiteBusyboxImage(): Promise<ImageDefinition> {
  const [id, ...libraries] = await executableWithLibraries("/usr/bin/id", "usr/bin/id");
  const replaced = new Set(["bin/sh", "bin/id", "usr/bin/id"]);
  return {
    name: "busybox with bash as its shell (Debian busybox-static, bash)",
    tags: tagged("registry.k8s.io/e2e-test-images/busybox", ["1.29-4", "1.36.1-1", "1.37.0-1"]),
    entries: [
      ...(await busyboxRoot()).filter(({ path }) => !replaced.has(path)),
      ...(await executableWithLibraries("/bin/bash", "bin/sh")),
      ...(id?.kind === "file" ? [{ ...id, mode: 0o4755 }] : []),
      ...libraries,
      { kind: "file", path: "nonewprivs", mode: 0o755, content: Buffer.from(whoAmI) } satisfies TarEntry,
    ],
    config: { command: ["sh"] },
    variants: [{ tags: tagged("registry.k8s.io/e2e-test-images/nonewprivs", ["1.3", "1.4"]), config: { entrypoint: ["/nonewprivs"] } }],
  };
}
