import { busyboxRoot } from "./busybox.ts";
import { executableWithLibraries } from "./closure.ts";
import { type ImageDefinition, tagged } from "./definition.ts";

/** Debian's iperf3 with the libraries it needs, beside a shell. */
export async function iperf3Image(): Promise<ImageDefinition> {
  return {
    name: "iperf3 (Debian iperf3)",
    tags: [...tagged("docker.io/library/iperf3", ["latest"]), ...tagged("docker.io/networkstatic/iperf3", ["latest"])],
    entries: [...(await busyboxRoot()), ...(await executableWithLibraries("/usr/bin/iperf3", "usr/bin/iperf3"))],
    config: { entrypoint: ["iperf3"] },
  };
}
