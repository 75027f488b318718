import type { Netlink } from "#lib/netlink/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
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
}

/** Serves antrea-cni from here on. `close` lets requests under way finish. */
export async function startCniServer({ socketPath, quarantinePath, ...rest }: CniServerOptions): Promise<{ close(): Promise<void> }> {
  const runtime = { ...rest.runtime, logger: rest.runtime.logger.with({ component: "cni" }) };
  const quarantine = await openQuarantine({ runtime, path: quarantinePath });
  const pool = createAddressPool({
    used: () => rest.ports.all().flatMap(({ addresses }) => addresses),
    quarantined: () => quarantine.addresses(),
  });
  const cni: CniDependencies = { ...rest, runtime, pool, quarantine };
  const serially = oneAtATime();
  const server = await listenForCni({ runtime, path: socketPath, answer: (request) => answer(cni, serially, request) });
  const stopCollecting = keepCollecting(cni, serially);
  return {
    async close() {
      stopCollecting();
      await server.close();
    },
  };
}
