import { namedUuid, type OpenVSwitch, type OvsdbClient } from "#lib/ovsdb/index.ts";
import { errorMessage, type Runtime } from "#lib/runtime/index.ts";
import type { DriftLog } from "../drift.ts";
import type { OvsReplica, OvsTables } from "./bridge.ts";

/** A pod's port as the database had it last: its only record. */
interface Remembered {
  readonly name: string;
  readonly ofport: number | undefined;
  readonly externalIds: ReadonlyMap<string, string>;
}

/**
 * Puts pods' ports back that somebody else took away from the bridge, or whose identity was changed: the database is the only memory of which pods
 * are here. `removes` says which go by our own doing; `exists` whether the interface is still there, without which a port would be of nobody.
 */
export function keepPodPorts(options: {
  readonly runtime: Runtime;
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly bridge: string;
  readonly removes: (interfaceName: string) => boolean;
  readonly exists: (interfaceName: string) => Promise<boolean>;
  readonly drift: DriftLog;
  readonly signal: AbortSignal;
}): void {
  const { runtime, client, replica, bridge, removes, exists, drift, signal } = options;
  let known = new Map<string, Remembered>();
  const putBack = async (port: Remembered): Promise<void> => {
    if (!(await exists(port.name)) || removes(port.name)) return;
    drift.found({ target: "port", finding: "missing", what: port.name });
    const [row, iface] = [namedUuid("port"), namedUuid("interface")];
    await client.transact([
      {
        op: "insert",
        table: "Interface",
        as: iface,
        row: { name: port.name, ...(port.ofport === undefined ? {} : { ofport_request: port.ofport }) },
      },
      {
        op: "insert",
        table: "Port",
        as: row,
        row: { name: port.name, interfaces: [iface], external_ids: Object.fromEntries(port.externalIds) },
      },
      { op: "mutate", table: "Bridge", where: [["name", "==", bridge]], mutations: [["ports", "insert", [row]]] },
    ]);
  };
  const restore = async (port: Remembered): Promise<void> => {
    drift.found({ target: "port", finding: "changed", what: port.name });
    await client.transact([
      { op: "update", table: "Port", where: [["name", "==", port.name]], row: { external_ids: Object.fromEntries(port.externalIds) } },
    ]);
  };
  const settle = (): void => {
    // A bridge that is gone is made anew first, without its pods' ports.
    if (signal.aborted || replica.tables.Bridge.by("name", bridge).length === 0) return;
    const present = podPorts(replica.tables, bridge);
    const next = new Map([...known].filter(([name]) => !removes(name)));
    const repairs: Promise<void>[] = [];
    for (const [name, before] of next) {
      const now = present.get(name);
      if (now === undefined) {
        next.delete(name);
        repairs.push(putBack(before));
      } else if (!sameIdentity(now, before) && now.externalIds.get("container-id") === before.externalIds.get("container-id")) {
        present.delete(name);
        repairs.push(restore(before));
      }
    }
    for (const [name, port] of present) next.set(name, port);
    known = next;
    for (const repair of repairs)
      repair.catch((error: unknown) => runtime.logger.error("cannot put a pod's port back", { error: errorMessage(error) }));
  };
  const off = replica.onChange(settle);
  signal.addEventListener("abort", off, { once: true });
  settle();
}

/** Rows never change: nearly always it is the one map. */
const sameIdentity = ({ externalIds: one }: Remembered, { externalIds: other }: Remembered): boolean =>
  one === other || (one.size === other.size && [...one].every(([key, value]) => other.get(key) === value));

function podPorts(tables: OvsTables, bridgeName: string): Map<string, Remembered> {
  const [bridge] = tables.Bridge.by("name", bridgeName);
  const ports = (bridge?.ports ?? []).flatMap((uuid): Remembered[] => {
    const port = tables.Port.get(uuid);
    if (port === undefined || !port.external_ids.has("container-id")) return [];
    const ofport = tables.Interface.get(port.interfaces[0] ?? "")?.ofport;
    return [
      {
        name: port.name,
        ofport: ofport !== undefined && ofport > 0 ? ofport : undefined,
        externalIds: port.external_ids,
      },
    ];
  });
  return new Map(ports.map((port) => [port.name, port]));
}
