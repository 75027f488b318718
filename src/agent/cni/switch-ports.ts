import { type IpAddress, type MacAddress, tryParseAddress } from "#lib/ip/index.ts";
import { namedUuid, type OpenVSwitch, type OvsdbClient } from "#lib/ovsdb/index.ts";
import type { OvsReplica } from "../ovs/bridge.ts";
import type { PortArrivals } from "../ovs/port-arrivals.ts";
import type { PortClaims } from "../ovs/port-claims.ts";
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
  /** Chooses the OpenFlow number that {@link add} asks for, and lets flows be made for it. */
  claim(port: NewPodPort): { readonly ofport: number /** The port does not come. */; release(): void };
  /**
   * Adds the port of an interface that exists and resolves with its OpenFlow number, which is another than `ofport` where Open vSwitch could not
   * give that. A port of that name is replaced. Rejects with PortRefused.
   */
  add(port: NewPodPort & { readonly ofport: number }, signal: AbortSignal): Promise<number>;
  /** Resolves when the database has forgotten the port; a claim of it ends. Whether it was there. */
  remove(interfaceName: string): Promise<boolean>;
  /** Whether the port went, or is going, by {@link remove} and was not added since. */
  removed(interfaceName: string): boolean;
}

/** Removals that are remembered: names have a hash of the container in them and hardly come again. */
const removedAtMost = 1_000;
const containerType = "container";
const usualPodInterface = "eth0";

export function createSwitchPorts(options: {
  readonly client: OvsdbClient<OpenVSwitch>;
  readonly replica: OvsReplica;
  readonly claims: Pick<PortClaims, "claim" | "release">;
  readonly arrivals: PortArrivals;
  readonly bridge: string;
}): SwitchPorts {
  const { client, replica, claims, arrivals, bridge: bridgeName } = options;
  const { tables } = replica;
  /** Rows never change, so what was read of one is so for good; asked for all of them several times for each pod. */
  const known = new WeakMap<ReadonlyMap<string, string>, PodPort>();
  const read = (name: string, ids: ReadonlyMap<string, string>, ofport: number | undefined): PodPort => {
    const before = known.get(ids);
    if (before !== undefined && before.ofport === numberOf(ofport)) return before;
    const port = before === undefined ? podPort(name, ids, ofport) : { ...before, ofport: numberOf(ofport) };
    known.set(ids, port);
    return port;
  };
  const all = (): PodPort[] => {
    const [bridge] = tables.Bridge.by("name", bridgeName);
    return (bridge?.ports ?? []).flatMap((uuid) => {
      const port = tables.Port.get(uuid);
      if (port?.external_ids.get("antrea-type") !== containerType) return [];
      return [read(port.name, port.external_ids, tables.Interface.get(port.interfaces[0] ?? "")?.ofport)];
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
  const removedPorts = new Set<string>();
  const remove = async (name: string): Promise<boolean> => {
    const operations = removal(name);
    removedPorts.add(name);
    if (removedPorts.size > removedAtMost) removedPorts.delete(removedPorts.values().next().value ?? "");
    if (operations.length > 0) await client.batch(operations);
    // Open vSwitch may not have numbered it yet
    claims.release(name);
    return operations.length > 0;
  };
  /** As the database tells, which also tells of ports that cannot be. */
  const numbered = (name: string, giveUp: AbortSignal): Promise<number> =>
    replica.until(({ Interface }) => {
      const [made] = Interface.by("name", name);
      if (made?.ofport === undefined) return undefined;
      if (made.ofport <= 0) throw new PortRefused(bridgeName, name, made.error ?? "Open vSwitch gave it no number");
      return made.ofport;
    }, giveUp);

  return {
    get available() {
      return replica.synced && client.connected;
    },
    all,
    remove,
    removed: (name) => removedPorts.has(name),
    claim: (port) => ({ ofport: claims.claim(port), release: () => claims.release(port.interfaceName) }),
    async add(port, signal) {
      const [row, iface] = [namedUuid("port"), namedUuid("interface")];
      const name = port.interfaceName;
      removedPorts.delete(name);
      const heard = Promise.withResolvers<number>();
      const stopListening = arrivals.expect(name, heard.resolve);
      const done = new AbortController();
      try {
        await client.batch([
          ...removal(name),
          { op: "insert", table: "Interface", as: iface, row: { name, ofport_request: port.ofport } },
          { op: "insert", table: "Port", as: row, row: { name, interfaces: [iface], external_ids: externalIds(port) } },
          { op: "mutate", table: "Bridge", where: [["name", "==", bridgeName]], mutations: [["ports", "insert", [row]]] },
        ]);
        return await Promise.race([heard.promise, numbered(name, AbortSignal.any([signal, done.signal]))]);
      } finally {
        stopListening();
        done.abort();
      }
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
    ofport: numberOf(ofport),
  };
}

/** Open vSwitch gives a port that it cannot make a number below zero. */
const numberOf = (ofport: number | undefined): number | undefined => (ofport !== undefined && ofport > 0 ? ofport : undefined);
