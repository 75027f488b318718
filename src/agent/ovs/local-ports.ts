import type { LocalPort } from "#core/pipeline/rows.ts";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import { createTable, type ReadTable } from "#lib/table/index.ts";
import type { OvsReplica, OvsTables } from "./bridge.ts";

/** A pod's interface as the database tells it: the agent's one truth of which pods are here. */
export interface PodInterface extends LocalPort {
  /** UUID of the Port row. */
  readonly portUuid: string;
  /** Name of the interface inside the pod. */
  readonly podInterface: string;
  /** Path of the pod's network namespace, as the CNI request named it. */
  readonly netns: string;
}

/** Follows the pods' ports of `bridge`: a row as soon as Open vSwitch has numbered the port. Rows by interface name; index `pod` by `namespace/name`. */
export function followLocalPorts(options: {
  readonly replica: OvsReplica;
  readonly bridge: string;
  readonly logger: Logger;
}): ReadTable<PodInterface> {
  const { replica, bridge, logger } = options;
  const table = createTable<PodInterface>({
    name: "pod interfaces",
    key: ({ interfaceName }) => interfaceName,
    indexes: {
      pod: ({ podNamespace, podName }) => [`${podNamespace}/${podName}`],
      container: ({ containerId }) => [containerId],
    },
    same: (before, after) => JSON.stringify(before) === JSON.stringify(after),
  });
  const filled = table.initializer("ovsdb");
  const unreadable = new Map<string, string>();
  const update = (): void => {
    const { rows, problems } = localPorts(replica.tables, bridge);
    table.replace(rows);
    for (const [port, problem] of problems) {
      if (unreadable.get(port) !== problem)
        logger.error("port of a pod with unreadable external_ids is left without flows", { port, problem });
      unreadable.set(port, problem);
    }
    for (const port of unreadable.keys()) if (!problems.has(port)) unreadable.delete(port);
  };
  replica.onChange(update);
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
): { readonly rows: readonly PodInterface[]; readonly problems: ReadonlyMap<string, string> } {
  const rows: PodInterface[] = [];
  const problems = new Map<string, string>();
  const [bridge] = tables.Bridge.by("name", bridgeName);
  for (const portUuid of bridge?.ports ?? []) {
    const port = tables.Port.get(portUuid);
    if (port === undefined || port.external_ids.get("antrea-type") !== "container") continue;
    const ofport = tables.Interface.get(port.interfaces[0] ?? "")?.ofport;
    if (ofport === undefined || ofport <= 0) continue;
    const id = (key: string): string => port.external_ids.get(key) ?? "";
    try {
      rows.push({
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
        portUuid,
        podInterface: port.external_ids.get("if-dev") ?? "eth0",
        netns: id("net-ns"),
      });
    } catch (error) {
      problems.set(port.name, errorMessage(error));
    }
  }
  return { rows, problems };
}
