import type { Runtime } from "#lib/runtime/runtime.ts";
import { NamespaceNotFound, type NetlinkClosed, NetlinkError } from "./errors.ts";
import { namespaceCalls } from "./namespace-calls.ts";
import type { Netlink } from "./network-namespace.ts";
import { startWorker } from "./worker-client.ts";

/**
 * Starts the worker thread. Costs about 60 ms once, off the main thread, and then 0.06 ms and the kernel's own time a call. `onFailure` hears once if
 * the thread ends unasked: every call rejects from then on, and the process had better be started anew.
 */
export function createNetlink({
  runtime,
  onFailure = (error) => runtime.logger.error(error.message),
}: {
  readonly runtime: Pick<Runtime, "logger">;
  readonly onFailure?: (error: NetlinkClosed) => void;
}): Netlink {
  const worker = startWorker({ onFailure });
  return {
    home: namespaceCalls(worker, undefined),
    async open(path) {
      try {
        return namespaceCalls(worker, { ...(await worker.submit({ do: "openNamespace", path })), path });
      } catch (error) {
        throw error instanceof NetlinkError ? new NamespaceNotFound(path, error.errno) : error;
      }
    },
    async create(options = {}) {
      const opened = await worker.submit({ do: "createNamespace", ...options });
      return namespaceCalls(worker, { ...opened, ...options });
    },
    remove: (path) => worker.submit({ do: "removeNamespace", path }),
    close: () => worker.close(),
  };
}
