import { mkdir, rename, writeFile } from "node:fs/promises";

/**
 * The `loopback` CNI plugin, which containerd 1.6 runs for every pod besides the configured network, from the same folder. It sets
 * `lo` up and says so, in the format of CNI 0.3.1. A shell script on the busybox that the lab needs anyway (3 ms): the stock one would
 * be one more package.
 */
const plugin = `#!/bin/busybox sh
set -eu
case "$CNI_COMMAND" in
ADD)
  busybox nsenter --net="$CNI_NETNS" busybox ip link set lo up
  echo '{"cniVersion":"0.3.1","interfaces":[{"name":"lo","mac":"00:00:00:00:00:00","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"version":"4","interface":0,"address":"127.0.0.1/8"},{"version":"6","interface":0,"address":"::1/128"}]}'
  ;;
VERSION)
  echo '{"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0"]}'
  ;;
*) ;;
esac
`;

/** Puts the plugin into containerd's CNI folder. */
export async function installLoopbackPlugin(cniBinDir: string): Promise<void> {
  await mkdir(cniBinDir, { recursive: true });
  const fresh = `${cniBinDir}/.loopback-${process.pid}`;
  await writeFile(fresh, plugin, { mode: 0o755 });
  // renamed into place: containerd may be running the one that is there
  await rename(fresh, `${cniBinDir}/loopback`);
}
