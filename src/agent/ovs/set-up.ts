import type { OpenVSwitch, OvsdbClient } from "#lib/ovsdb/index.ts";
import { PortRefused } from "../errors.ts";
import { bridgeOperations, type OvsReplica, type WantedBridge } from "./bridge.ts";

/**
 * Makes the bridge and its own ports as wanted and resolves when Open vSwitch has numbered those that are needed: name → port number. Changes nothing
 * that is right.
 */
export async function setUpBridge(options: {
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly wanted: WantedBridge;
  readonly signal: AbortSignal;
}): Promise<ReadonlyMap<string, number>> {
  const { client, replica, wanted, signal } = options;
  await replica.whenSynced();
  const operations = bridgeOperations(replica.tables, wanted);
  if (operations.length > 0) await client.transact(operations);
  return replica.until(({ Interface }) => {
    const numbers = new Map<string, number>();
    for (const port of wanted.ports) {
      if (port.optional) continue;
      const [row] = Interface.by("name", port.name);
      if (row?.ofport === -1) throw new PortRefused(wanted.name, port.name, row.error ?? "Open vSwitch gave it no number");
      if (row?.ofport === undefined) return undefined;
      numbers.set(port.name, row.ofport);
    }
    return numbers;
  }, signal);
}

/**
 * Lets Open vSwitch forward: its supervisor sets `flow-restore-wait` before each start, so that no packet meets an empty pipeline.
 * To be called only when the flows are in.
 */
export async function endRestoreWait(client: OvsdbClient<OpenVSwitch>, replica: OvsReplica): Promise<boolean> {
  const waiting = [...replica.tables.Open_vSwitch.rows()].filter(waits);
  if (waiting.length === 0) return false;
  await client.transact(
    waiting.map(({ uuid, other_config }) => {
      const rest = new Map(other_config);
      rest.delete("flow-restore-wait");
      return { op: "update", table: "Open_vSwitch", where: [["_uuid", "==", uuid]], row: { other_config: rest } } as const;
    }),
  );
  return true;
}

const waits = ({ other_config }: { readonly other_config: ReadonlyMap<string, string> }): boolean => other_config.has("flow-restore-wait");

/** Whether Open vSwitch holds back packets until told that its flows are complete. */
export const isWaiting = (replica: OvsReplica): boolean => [...replica.tables.Open_vSwitch.rows()].some(waits);
