import { type Duration, errorMessage, minutes } from "#lib/runtime/index.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { OneAtATime } from "./one-at-a-time.ts";
import { removePort } from "./remove.ts";

const collectEvery: Duration = minutes(1);

/**
 * Removes the ports of pods whose namespace vanished without a DEL (a node that lost power, a runtime that was killed): with the namespace
 * went the wire, so the node's end is missing. Returns how many.
 */
export async function collectOrphans(cni: CniDependencies, serially: OneAtATime): Promise<number> {
  if (!cni.ports.available) return 0;
  let collected = 0;
  for (const { containerId, interfaceName } of cni.ports.all()) {
    await serially(containerId, async () => {
      // Looked at again under the container's turn: an ADD or DEL may have been under way.
      const port = cni.ports.all().find((row) => row.interfaceName === interfaceName);
      if (port === undefined || (await cni.netlink.home.findLink({ name: interfaceName })) !== undefined) return;
      cni.runtime.logger.info("port of a vanished pod is removed", { interface: interfaceName, containerId });
      await removePort(cni, port);
      collected++;
    });
  }
  return collected;
}

/** Collects now and every minute until stopped. */
export function keepCollecting(cni: CniDependencies, serially: OneAtATime): () => void {
  let timer = { cancel() {} };
  let stopped = false;
  const round = async (): Promise<void> => {
    try {
      await collectOrphans(cni, serially);
    } catch (error) {
      cni.runtime.logger.warn("vanished pods were not collected", { error: errorMessage(error) });
    }
    if (!stopped) timer = cni.runtime.clock.after(collectEvery, () => void round(), { background: true });
  };
  void round();
  return () => {
    stopped = true;
    timer.cancel();
  };
}
