import { type IpAddress, type MacAddress, tryParseAddress } from "#lib/ip/index.ts";
import { namedUuid, type OpenVSwitch, type OvsdbClient } from "#lib/ovsdb/index.ts";
import type { OvsReplica } from "../ovs/bridge.ts";
import { PortRefused } from "../errors.ts";

/** A pod's port as its external_ids tell: who it belongs to, and where to find it. */
export interface PodPort {
  readonly interfaceName: string;
  readonly containerId: string;
  /** The interface's name inside the pod. */
  readonly podInterface: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly netns: string;
  readonly mac: string;
  readonly addresses: readonly IpAddress[];
  /** Undefined until Open vSwitch has numbered the port, or when it cannot. */
  readonly ofport: number | undefined;
}

export type NewPodPort = Omit<PodPort, "ofport" | "mac"> & { readonly mac: MacAddress };

/** The pods' ports on the bridge: the only memory of which pods are here and which addresses they have. */
export interface SwitchPorts {
  /** False until the database has been read, and while it cannot be reached. */
  readonly available: boolean;
  /** Every port of a pod, also those that Open vSwitch could not make. */
  all(): readonly PodPort[];
  /** Adds the port of an interface that exists and resolves with its OpenFlow number. A port of that name is replaced. Rejects with PortRefused. */
  add(port: NewPodPort, signal: AbortSignal): Promise<number>;
  /** Resolves when the database has forgotten the port. Whether it was there. */
  remove(interfaceName: string): Promise<boolean>;
}

const containerType = "container";
const usualPodInterface = "eth0";

export function createSwitchPorts(options: {
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly bridge: string;
}): SwitchPorts {
  const { client, replica, bridge: bridgeName } = options;
  const { tables } = replica;
  const all = (): PodPort[] => {
    const [bridge] = tables.Bridge.by("name", bridgeName);
    return (bridge?.ports ?? []).flatMap((uuid) => {
      const port = tables.Port.get(uuid);
      if (port?.external_ids.get("antrea-type") !== containerType) return [];
      return [podPort(port.name, port.external_ids, tables.Interface.get(port.interfaces[0] ?? "")?.ofport)];
    });
  };
  const removal = (name: string) => {
    const [port] = tables.Port.by("name", name);
    const [bridge] = tables.Bridge.by("name", bridgeName);
    if (port === undefined || bridge === undefined || !bridge.ports.includes(port.uuid)) return [];
    // The rows of port and interface go with their last reference.
    return [
      { op: "mutate", table: "Bridge", where: [["_uuid", "==", bridge.uuid]], mutations: [["ports", "delete", [port.uuid]]] } as const,
    ];
  };
  const remove = async (name: string): Promise<boolean> => {
    const operations = removal(name);
    if (operations.length > 0) await client.batch(operations);
    return operations.length > 0;
  };

  return {
    get available() {
      return replica.synced && client.connected;
    },
    all,
    remove,
    async add(port, signal) {
      const [row, iface] = [namedUuid("port"), namedUuid("interface")];
      const name = port.interfaceName;
      await client.batch([
        ...removal(name),
        { op: "insert", table: "Interface", as: iface, row: { name } },
        { op: "insert", table: "Port", as: row, row: { name, interfaces: [iface], external_ids: externalIds(port) } },
        { op: "mutate", table: "Bridge", where: [["name", "==", bridgeName]], mutations: [["ports", "insert", [row]]] },
      ]);
      return replica.until(({ Interface }) => {
        const [made] = Interface.by("name", name);
        if (made?.ofport === undefined) return undefined;
        if (made.ofport <= 0) throw new PortRefused(bridgeName, name, made.error ?? "Open vSwitch gave it no number");
        return made.ofport;
      }, signal);
    },
  };
}

function externalIds(port: NewPodPort): Readonly<Record<string, string>> {
  return {
    "antrea-type": containerType,
    "attached-mac": String(port.mac),
    "ip-address": port.addresses.join(","),
    "container-id": port.containerId,
    "pod-name": port.podName,
    "pod-namespace": port.podNamespace,
    "net-ns": port.netns,
    ...(port.podInterface === usualPodInterface ? {} : { "if-dev": port.podInterface }),
  };
}

function podPort(interfaceName: string, ids: ReadonlyMap<string, string>, ofport: number | undefined): PodPort {
  const id = (key: string): string => ids.get(key) ?? "";
  return {
    interfaceName,
    containerId: id("container-id"),
    podInterface: ids.get("if-dev") ?? usualPodInterface,
    podNamespace: id("pod-namespace"),
    podName: id("pod-name"),
    netns: id("net-ns"),
    mac: id("attached-mac"),
    addresses: id("ip-address")
      .split(",")
      .map((text) => tryParseAddress(text.trim()))
      .filter((address) => address !== undefined),
    ofport: ofport !== undefined && ofport > 0 ? ofport : undefined,
  };
}
