import type { LocalPort } from "#core/pipeline/rows.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import { createTable, type ReadTable } from "#lib/table/index.ts";
import type { OvsReplica, OvsTables } from "./bridge.ts";
import type { PortClaims } from "./port-claims.ts";

/** A pod's interface as the database tells it: the agent's one truth of which pods are here. */
export interface PodInterface extends LocalPort {
  /** UUID of the Port row; empty while the port is being made. */
  readonly portUuid: string;
  /** Name of the interface inside the pod. */
  readonly podInterface: string;
  /** Path of the pod's network namespace, as the CNI request named it. */
  readonly netns: string;
}

/**
 * Follows the pods' ports of `bridge`: those that are being made, and those that Open vSwitch has numbered. Rows by interface name; index `pod`
 * by `namespace/name`.
 */
export function followLocalPorts(options: {
  readonly replica: OvsReplica;
  readonly bridge: string;
  readonly claims: Pick<PortClaims, "rows" | "onChange">;
  readonly logger: Logger;
}): ReadTable<PodInterface> {
  const { replica, bridge, claims, logger } = options;
  const read = rememberedReading();
  const table = createTable<PodInterface>({
    name: "pod interfaces",
    key: ({ interfaceName }) => interfaceName,
    indexes: {
      pod: ({ podNamespace, podName }) => [`${podNamespace}/${podName}`],
      container: ({ containerId }) => [containerId],
    },
    same: (before, after) => before === after || JSON.stringify(before) === JSON.stringify(after),
  });
  const filled = table.initializer("ovsdb");
  const unreadable = new Map<string, string>();
  const update = (): void => {
    const { rows, problems } = localPorts(replica.tables, bridge, read);
    const made = new Set(rows.map(({ interfaceName }) => interfaceName));
    table.replace([...rows, ...[...claims.rows()].filter(({ interfaceName }) => !made.has(interfaceName))]);
    for (const [port, problem] of problems) {
      if (unreadable.get(port) !== problem)
        logger.error("port of a pod with unreadable external_ids is left without flows", { port, problem });
      unreadable.set(port, problem);
    }
    for (const port of unreadable.keys()) if (!problems.has(port)) unreadable.delete(port);
  };
  replica.onChange(update);
  claims.onChange(update);
  void replica.whenSynced().then(() => {
    update();
    filled();
  });
  return table;
}

/** Joins Bridge, Port and Interface. Ports without a number yet are left out; those that cannot be read are told by name. Pure. */
export function localPorts(
  tables: OvsTables,
  bridgeName: string,
  read: typeof readPort = readPort,
): { readonly rows: readonly PodInterface[]; readonly problems: ReadonlyMap<string, string> } {
  const rows: PodInterface[] = [];
  const problems = new Map<string, string>();
  const [bridge] = tables.Bridge.by("name", bridgeName);
  for (const portUuid of bridge?.ports ?? []) {
    const port = tables.Port.get(portUuid);
    if (port === undefined || port.external_ids.get("antrea-type") !== "container") continue;
    const ofport = tables.Interface.get(port.interfaces[0] ?? "")?.ofport;
    if (ofport === undefined || ofport <= 0) continue;
    const row = read(port, ofport);
    if (typeof row === "string") problems.set(port.name, row);
    else rows.push(row);
  }
  return { rows, problems };
}

type PortRow = NonNullable<ReturnType<OvsTables["Port"]["get"]>>;

/** What the external_ids say, or what is wrong with them. */
function readPort(port: PortRow, ofport: number): PodInterface | string {
  const id = (key: string): string => port.external_ids.get(key) ?? "";
  try {
    return {
      interfaceName: port.name,
      ofport,
      mac: parseMac(id("attached-mac")),
      addresses: id("ip-address")
        .split(",")
        .filter((text) => text !== "")
        .map((text) => parseAddress(text.trim())),
      podNamespace: id("pod-namespace"),
      podName: id("pod-name"),
      containerId: id("container-id"),
      portUuid: port.uuid,
      podInterface: port.external_ids.get("if-dev") ?? "eth0",
      netns: id("net-ns"),
    };
  } catch (error) {
    return errorMessage(error);
  }
}

/** Each change of the database reads every port; rows never change, so what was read of one holds as long as it is there. */
function rememberedReading(): typeof readPort {
  const known = new WeakMap<PortRow, { readonly ofport: number; readonly row: PodInterface | string }>();
  return (port, ofport) => {
    const found = known.get(port);
    if (found?.ofport === ofport) return found.row;
    const row = readPort(port, ofport);
    known.set(port, { ofport, row });
    return row;
  };
}
