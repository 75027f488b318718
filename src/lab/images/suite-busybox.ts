import { busyboxRoot } from "./busybox.ts";
import { executableWithLibraries } from "./closure.ts";
import { type ImageDefinition, tagged } from "./definition.ts";
import type { TarEntry } from "./tar.ts";

/** What it prints is who the file system says it is: `id` is there with the bit that makes its owner's rights those of whoever starts it. */
const whoAmI = `#!/bin/sh
echo "Effective uid: $(/usr/bin/id -u)"
`;

/**
 * Busybox under the names that suites of Kubernetes use. They pass variables to `sh` that are no names to it (`data-1`), and ask what its children have: of Debian's
 * shells, bash alone passes them on. `/bin/sh`, whose words they know, is busybox's.
 */
export async function suiteBusyboxImage(): Promise<ImageDefinition> {
  const [id, ...libraries] = await executableWithLibraries("/usr/bin/id", "usr/bin/id");
  return {
    name: "busybox with bash as sh (Debian busybox-static, bash)",
    tags: tagged("registry.k8s.io/e2e-test-images/busybox", ["1.29-4", "1.36.1-1", "1.37.0-1"]),
    entries: [
      ...(await busyboxRoot()).filter(({ path }) => path !== "usr/bin/id"),
      ...(await executableWithLibraries("/bin/bash", "usr/local/bin/sh")),
      ...(id?.kind === "file" ? [{ ...id, mode: 0o4755 }] : []),
      ...libraries,
      { kind: "file", path: "nonewprivs", mode: 0o755, content: Buffer.from(whoAmI) } satisfies TarEntry,
    ],
    config: { command: ["sh"] },
    variants: [{ tags: tagged("registry.k8s.io/e2e-test-images/nonewprivs", ["1.3", "1.4"]), config: { entrypoint: ["/nonewprivs"] } }],
  };
}
