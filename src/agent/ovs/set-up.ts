import { type OpenVSwitch, type Operation, type OvsdbClient, OvsdbDisconnected } from "#lib/ovsdb/index.ts";
import { orAborted } from "#lib/runtime/index.ts";
import { BridgeRefused, PortRefused } from "../errors.ts";
import { bridgeOperations, type OvsReplica, type OvsTables, type WantedBridge } from "./bridge.ts";

interface SetUp {
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly wanted: WantedBridge;
  readonly signal: AbortSignal;
}

/**
 * Makes the bridge and its own ports as wanted and resolves when Open vSwitch has numbered those that are needed: name → port number. Changes nothing
 * that is right. Waits for a database that goes away meanwhile. Rejects with what Open vSwitch cannot make: a port with its reason, or the bridge, of which
 * the database says none.
 */
export async function setUpBridge(options: SetUp): Promise<ReadonlyMap<string, number>> {
  for (;;) {
    try {
      return await setUp(options);
    } catch (error) {
      if (!(error instanceof OvsdbDisconnected)) throw error;
      // Nobody knows whether what was asked for took effect: it is compared again.
      await whenConnected(options);
    }
  }
}

async function whenConnected({ client, signal }: SetUp): Promise<void> {
  const connected = Promise.withResolvers<void>();
  const stop = client.onConnection((isConnected) => isConnected && connected.resolve());
  try {
    if (!client.connected) await orAborted(connected.promise, signal);
  } finally {
    stop();
  }
}

async function setUp({ client, replica, wanted, signal }: SetUp): Promise<ReadonlyMap<string, number>> {
  await replica.whenSynced();
  const operations = bridgeOperations(replica.tables, wanted);
  const asked = operations.length > 0 || portNumbers(replica.tables, wanted) === undefined ? await ask(client, operations) : undefined;
  return replica.until((tables) => {
    const numbers = portNumbers(tables, wanted);
    if (numbers !== undefined || asked === undefined) return numbers;
    // It has done what it was asked to, and no port has a number, nor that of a failure: there is no bridge that could give one.
    const served = [...tables.Open_vSwitch.rows()].some(({ cur_cfg }) => cur_cfg >= asked);
    if (served && wanted.ports.every(({ name }) => tables.Interface.by("name", name).every(({ ofport }) => ofport === undefined)))
      throw new BridgeRefused(wanted.name, wanted.datapathType);
    return undefined;
  }, signal);
}

/** Of the ports that are needed, as soon as Open vSwitch has numbered all of them. */
function portNumbers({ Interface }: OvsTables, wanted: WantedBridge): ReadonlyMap<string, number> | undefined {
  const numbers = new Map<string, number>();
  for (const port of wanted.ports) {
    if (port.optional) continue;
    const [row] = Interface.by("name", port.name);
    if (row?.ofport === -1) throw new PortRefused(wanted.name, port.name, row.error ?? "Open vSwitch gave it no number");
    if (row?.ofport === undefined) return undefined;
    numbers.set(port.name, row.ofport);
  }
  return numbers;
}

/** Makes the changes one that Open vSwitch acknowledges, as ovs-vsctl does. Resolves with the number that `cur_cfg` reaches when it has. */
async function ask(client: OvsdbClient<OpenVSwitch>, operations: readonly Operation<OpenVSwitch>[]): Promise<number> {
  const results = await client.transact([
    ...operations,
    { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["next_cfg", "+=", 1]] },
    { op: "select", table: "Open_vSwitch", where: [], columns: ["next_cfg"] },
  ]);
  return Number(results.at(-1)?.rows?.[0]?.next_cfg);
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
