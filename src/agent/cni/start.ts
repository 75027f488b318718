import type { Netlink } from "#lib/netlink/index.ts";
import { type Files, type Runtime, systemFiles } from "#lib/runtime/index.ts";
import { createAddressPool } from "./address-pool.ts";
import { keepCollecting } from "./collect.ts";
import { answer } from "./commands.ts";
import type { CniDependencies, CniSettings } from "./dependencies.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { openQuarantine } from "./quarantine.ts";
import { listenForCni } from "./server.ts";
import type { SwitchPorts } from "./switch-ports.ts";

export interface CniServerOptions extends CniSettings {
  readonly runtime: Runtime;
  readonly netlink: Netlink;
  readonly ports: SwitchPorts;
  /** `cniSocket`. */
  readonly socketPath: string;
  /** The record of addresses that are kept back, in the agent's run directory. */
  readonly quarantinePath: string;
  readonly files?: Files;
  readonly listen?: typeof listenForCni;
}

/** Serves antrea-cni from here on. `close` lets requests under way finish. */
export async function startCniServer(options: CniServerOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath, quarantinePath, files = systemFiles, listen = listenForCni, ...rest } = options;
  const runtime = { ...rest.runtime, logger: rest.runtime.logger.with({ component: "cni" }) };
  const quarantine = await openQuarantine({ runtime, path: quarantinePath, files });
  const pool = createAddressPool({
    used: () => rest.ports.all().flatMap(({ addresses }) => addresses),
    quarantined: quarantine.has,
  });
  const cni: CniDependencies = { ...rest, runtime, pool, quarantine };
  const serially = oneAtATime();
  const server = await listen({ runtime, path: socketPath, answer: (request) => answer(cni, serially, request) });
  const stopCollecting = keepCollecting(cni, serially);
  return {
    async close() {
      stopCollecting();
      await server.close();
    },
  };
}
