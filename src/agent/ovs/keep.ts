import type { OpenVSwitch, OvsdbClient } from "#lib/ovsdb/index.ts";
import { errorMessage, type Runtime, retryUntilDone } from "#lib/runtime/index.ts";
import { bridgeOperations, type OvsReplica, type WantedBridge } from "./bridge.ts";
import type { DriftLog } from "../drift.ts";
import { endRestoreWait, isWaiting } from "./set-up.ts";

interface Keeping {
  readonly runtime: Runtime;
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly signal: AbortSignal;
}

/** Repairs the bridge whenever the database differs from what it should hold: somebody changed it, or it was made anew. */
export function keepBridge(options: Keeping & { readonly wanted: WantedBridge; readonly drift: DriftLog }): void {
  const { client, replica, wanted, drift } = options;
  keep(options, "bridge", async () => {
    const operations = bridgeOperations(replica.tables, wanted);
    if (operations.length === 0) return;
    const what = operations.map((operation) => ("table" in operation ? `${operation.op} ${operation.table}` : operation.op));
    drift.found({ target: "bridge", finding: what.some((words) => words.startsWith("insert")) ? "missing" : "changed", count: 1, what });
    await client.transact(operations);
  });
}

/**
 * Lets Open vSwitch forward as soon as `pipelineInForce` resolves; its supervisor sets `flow-restore-wait` at each start, so that no packet
 * meets an incomplete pipeline.
 */
export function keepForwarding(options: Keeping & { readonly pipelineInForce: (signal: AbortSignal) => Promise<void> }): void {
  const { client, replica, runtime, signal } = options;
  keep(options, "forwarding", async () => {
    if (!isWaiting(replica)) return;
    await options.pipelineInForce(signal);
    if (await endRestoreWait(client, replica)) runtime.logger.info("flows are in force; Open vSwitch forwards");
  });
}

/**
 * Forgets how often antrea (Go) started on this bridge, once our flows have taken the place of its own. It numbers its flows by rounds: at its start it removes those of the round that it
 * begins, and much later those of the one that the bridge notes. Ours are of round 1, which is where it begins without a note: where it comes back, it removes ours before it makes
 * its own, and no packet meets both.
 */
export function forgetRounds(
  options: Keeping & { readonly bridge: string; readonly pipelineInForce: (signal: AbortSignal) => Promise<void> },
): void {
  const { client, replica, bridge, pipelineInForce, runtime, signal } = options;
  keep(options, "rounds", async () => {
    const noted = (): boolean => replica.tables.Bridge.by("name", bridge).some(({ external_ids }) => external_ids.has(roundKey));
    if (!noted()) return;
    await pipelineInForce(signal);
    const operations = replica.tables.Bridge.by("name", bridge).map(({ uuid, external_ids }) => {
      const rest = new Map(external_ids);
      rest.delete(roundKey);
      return { op: "update", table: "Bridge", where: [["_uuid", "==", uuid]], row: { external_ids: rest } } as const;
    });
    if (!noted()) return;
    await client.transact(operations);
    runtime.logger.info("took the switch over from antrea (Go)");
  });
}

const roundKey = "roundNum";

/** Runs `settle` once for any number of changes of the database meanwhile, until it succeeds. */
function keep({ runtime, replica, signal }: Keeping, what: string, settle: () => Promise<void>): void {
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
}
