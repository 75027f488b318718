import type { OpenVSwitch, OvsdbClient } from "#lib/ovsdb/index.ts";
import { errorMessage, type Runtime, retryUntilDone } from "#lib/runtime/index.ts";
import { bridgeOperations, type OvsReplica, type WantedBridge } from "./bridge.ts";
import { endRestoreWait } from "./set-up.ts";

interface Keeping {
  readonly runtime: Runtime;
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly signal: AbortSignal;
}

/** Repairs the bridge whenever the database differs from what it should hold: somebody changed it, or it was made anew. */
export function keepBridge(options: Keeping & { readonly wanted: WantedBridge }): void {
  const { client, replica, wanted, runtime } = options;
  keep(options, "bridge", async () => {
    const operations = bridgeOperations(replica.tables, wanted);
    if (operations.length === 0) return;
    runtime.logger.warn("repairing the bridge", { bridge: wanted.name, operations: operations.map(({ op }) => op) });
    await client.transact(operations);
  });
}

/**
 * Lets Open vSwitch forward whenever `mayForward` says that the pipeline is complete; its supervisor sets `flow-restore-wait` at each start.
 * Call the result when `mayForward` may have become true.
 */
export function keepForwarding(options: Keeping & { readonly mayForward: () => boolean }): () => void {
  return keep(options, "forwarding", async () => {
    if (options.mayForward() && (await endRestoreWait(options.client, options.replica))) {
      options.runtime.logger.info("flows are complete; Open vSwitch forwards");
    }
  });
}

/** Runs `settle` once for any number of changes of the database meanwhile, until it succeeds. */
function keep({ runtime, replica, signal }: Keeping, what: string, settle: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await retryUntilDone(runtime, settle, {
        signal,
        onFailure: (error) => runtime.logger.warn(`cannot settle ${what}, trying again`, { error: errorMessage(error) }),
      }).catch(() => {});
    } while (again && !signal.aborted);
    running = false;
  };
  const trigger = (): void => {
    if (signal.aborted) return;
    if (running) again = true;
    else void run();
  };
  const off = replica.onChange(trigger);
  signal.addEventListener("abort", off, { once: true });
  trigger();
  return trigger;
}
