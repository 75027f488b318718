import { createHash } from "node:crypto";
import { entryTable, lookupPrefixes, type Pipeline } from "#core/pipeline/index.ts";
import { MacAddress } from "#lib/ip/index.ts";
import { namedUuid, type OpenVSwitch, type Operation, type Replica } from "#lib/ovsdb/index.ts";
import type { AgentConfig } from "../config.ts";
import { hasTunnel } from "../nodes/ways.ts";

/** What the agent follows of the Open_vSwitch database. */
export const followedColumns = {
  Open_vSwitch: ["bridges", "other_config", "cur_cfg"],
  Bridge: ["name", "ports", "datapath_type", "fail_mode", "protocols", "flow_tables", "external_ids", "other_config"],
  Port: ["name", "interfaces", "external_ids"],
  Interface: [
    "name",
    "type",
    "ofport",
    "ofport_request",
    "mac",
    "mac_in_use",
    "options",
    "external_ids",
    "error",
    "mtu_request",
    "link_state",
  ],
  Flow_Table: ["name", "prefixes"],
} as const;

export type OvsReplica = Replica<OpenVSwitch, typeof followedColumns>;
export type OvsTables = OvsReplica["tables"];

export interface WantedPort {
  readonly name: string;
  /** `antrea-type` in the port's external_ids. */
  readonly kind: "gateway" | "tunnel" | "dns-listener";
  /** Empty: a device that is there. */
  readonly type: "internal" | "geneve" | "vxlan" | "gre" | "";
  /** The node works without it. */
  readonly optional?: true;
  readonly ofport: number;
  readonly mac?: MacAddress;
  readonly options: Readonly<Record<string, string>>;
  readonly mtu?: number;
}

export interface WantedBridge {
  readonly name: string;
  readonly datapathType: "system" | "netdev";
  readonly ports: readonly WantedPort[];
  /** By number: name and the fields that Open vSwitch looks up by prefix. */
  readonly flowTables: ReadonlyMap<number, { readonly name: string; readonly prefixes: readonly string[] }>;
}

/** OpenFlow 1.5 for us, 1.0 for ovs-ofctl as people type it. */
const protocols = ["OpenFlow10", "OpenFlow15"];

/** Requested port numbers that configurations and tools know. */
export const tunnelOfport = 32_768;
export const gatewayOfport = 32_769;
const listenerOfport = 32_780;

/**
 * Packets for the agent that wait in Open vSwitch for one connection; what is above is lost. The default of 100 is 20 ms of 5 000 a second: less than the agent may be
 * kept from a busy processor. This is the most that can be set.
 */
export const queueSize = { key: "controller-queue-size", value: "512" } as const;

/** The gateway's address: the same for a node's name on every start, even after the database was lost. Locally administered, unicast. */
export function gatewayMac(nodeName: string): MacAddress {
  const digest = createHash("sha1").update(`antrea-gateway/${nodeName}`).digest().subarray(0, 6);
  digest[0] = ((digest[0] ?? 0) & 0xfc) | 0x02;
  return new MacAddress(BigInt(`0x${digest.toString("hex")}`));
}

/** The agent's bridge, as the configuration and the pipeline have it. */
export function wantedBridge(options: {
  readonly config: Pick<
    AgentConfig,
    "ovsBridge" | "ovsDatapathType" | "hostGateway" | "trafficEncapMode" | "tunnelType" | "tunnelPort" | "tunnelCsum"
  >;
  readonly nodeName: string;
  /** The one pipeline in each bank of tables that its flows may be in. */
  readonly pipelines: readonly Pipeline[];
  readonly mtu: number;
  /** The device that shows whether an agent reads answers of DNS. */
  readonly dnsListener?: string | undefined;
}): WantedBridge & { readonly gateway: string; readonly tunnel: string | undefined } {
  const { config, nodeName, pipelines, mtu, dnsListener } = options;
  const tunnel = hasTunnel(config.trafficEncapMode) ? [tunnelOf(config)] : [];
  return {
    name: config.ovsBridge,
    datapathType: config.ovsDatapathType,
    gateway: config.hostGateway,
    tunnel: tunnel[0]?.name,
    ports: [
      ...tunnel,
      {
        name: config.hostGateway,
        kind: "gateway",
        type: "internal",
        ofport: gatewayOfport,
        mac: gatewayMac(nodeName),
        mtu,
        options: {},
      },
      ...(dnsListener === undefined
        ? []
        : [{ name: dnsListener, kind: "dns-listener", type: "", ofport: listenerOfport, options: {}, optional: true } as const]),
    ],
    flowTables: describeAll(pipelines),
  };
}

/** By the first of them: a process has few pipelines, and a simulation many agents that describe the same tables. */
const described = new WeakMap<Pipeline, Pick<WantedBridge, "flowTables"> & { readonly pipelines: readonly Pipeline[] }>();

function describeAll(pipelines: readonly Pipeline[]): WantedBridge["flowTables"] {
  const [first] = pipelines;
  const known = first && described.get(first);
  if (known?.pipelines.length === pipelines.length && known.pipelines.every((pipeline, index) => pipeline === pipelines[index]))
    return known.flowTables;
  const flowTables = new Map(pipelines.flatMap(describeTables));
  if (first !== undefined) described.set(first, { pipelines, flowTables });
  return flowTables;
}

function describeTables(pipeline: Pipeline): (readonly [number, { readonly name: string; readonly prefixes: readonly string[] }])[] {
  const prefixes = lookupPrefixes(pipeline);
  const { bank } = pipeline.layout;
  return pipeline.tables
    .filter(({ number }) => bank === 0 || number !== entryTable)
    .map(({ number, name }) => [
      number,
      { name: bank === 0 ? name : `${name}.${bank}`, prefixes: prefixes.get(number) ?? defaultPrefixes },
    ]);
}

/** One port for all nodes: flows choose the endpoint. */
function tunnelOf({ tunnelType, tunnelPort, tunnelCsum }: Pick<AgentConfig, "tunnelType" | "tunnelPort" | "tunnelCsum">): WantedPort {
  // Known, and refused when the configuration is read.
  if (tunnelType === "stt") throw new TypeError("Open vSwitch has no STT");
  const options = {
    remote_ip: "flow",
    key: "flow",
    csum: String(tunnelCsum),
    // GRE has no ports.
    ...(tunnelPort === 0 || tunnelType === "gre" ? {} : { dst_port: String(tunnelPort) }),
  };
  return { name: tunnelPortName, kind: "tunnel", type: tunnelType, ofport: tunnelOfport, options };
}

const tunnelPortName = "antrea-tun0";
/** What Open vSwitch does for a table that the database does not describe. */
const defaultPrefixes = Object.freeze(["nw_dst", "nw_src"]);

type Operations = readonly Operation<OpenVSwitch>[];

/** The operations that make the database hold `wanted`; none when it does. Ports of others on the bridge are left alone. Pure. */
export function bridgeOperations(tables: OvsTables, wanted: WantedBridge): Operations {
  const [bridge] = tables.Bridge.by("name", wanted.name);
  const made = wanted.ports.map((port, index) => portOperations(tables, port, index));
  const added = made.flatMap(({ added }) => added);
  const flowTables = flowTableOperations(tables, wanted, bridge?.flow_tables);
  const settled = {
    datapath_type: wanted.datapathType,
    fail_mode: "secure",
    protocols,
    // Other settings are others' business.
    other_config: new Map([...(bridge?.other_config ?? []), [queueSize.key, queueSize.value]]),
    ...(flowTables.value === undefined ? {} : { flow_tables: flowTables.value }),
  };
  const children = [...flowTables.operations, ...made.flatMap(({ operations }) => operations)];
  if (bridge === undefined) {
    const row = namedUuid("bridge");
    return [
      ...children,
      { op: "insert", table: "Bridge", as: row, row: { name: wanted.name, ports: added, ...settled } },
      { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["bridges", "insert", [row]]] },
    ];
  }
  const where = [["_uuid", "==", bridge.uuid]] as const;
  const right =
    flowTables.value === undefined &&
    bridge.datapath_type === wanted.datapathType &&
    bridge.fail_mode === settled.fail_mode &&
    bridge.other_config.get(queueSize.key) === queueSize.value &&
    new Set(bridge.protocols).symmetricDifference(new Set(protocols)).size === 0;
  const attached = made.flatMap(({ present }) => (present === undefined || bridge.ports.includes(present) ? [] : [present]));
  const missing = [...added, ...attached];
  const superfluous = bridge.ports.filter((uuid) => isSuperfluous(tables, wanted, uuid));
  return [
    ...children,
    ...(right ? [] : [{ op: "update", table: "Bridge", where, row: settled } as const]),
    ...(missing.length === 0 ? [] : [{ op: "mutate", table: "Bridge", where, mutations: [["ports", "insert", missing]] } as const]),
    // The rows of port and interface go with their last reference.
    ...(superfluous.length === 0 ? [] : [{ op: "mutate", table: "Bridge", where, mutations: [["ports", "delete", superfluous]] } as const]),
  ];
}

const ourKinds: ReadonlySet<string | undefined> = new Set<WantedPort["kind"]>(["gateway", "tunnel", "dns-listener"]);

/** A port of ours that an earlier configuration wanted. */
function isSuperfluous(tables: OvsTables, wanted: WantedBridge, uuid: string): boolean {
  const port = tables.Port.get(uuid);
  const kind = port?.external_ids.get("antrea-type");
  return ourKinds.has(kind) && !wanted.ports.some(({ name }) => name === port?.name);
}

function portOperations(tables: OvsTables, port: WantedPort, index: number) {
  const ids = { "antrea-type": port.kind };
  const row = {
    type: port.type,
    ofport_request: port.ofport,
    options: port.options,
    ...(port.mac === undefined ? {} : { mac: port.mac.toString() }),
    ...(port.mtu === undefined ? {} : { mtu_request: port.mtu }),
  };
  const [present] = tables.Port.by("name", port.name);
  const [iface] = tables.Interface.by("name", port.name);
  if (present === undefined || iface === undefined) {
    const [newPort, newInterface] = [namedUuid(`port${index}`), namedUuid(`interface${index}`)];
    const operations: Operations = [
      { op: "insert", table: "Interface", as: newInterface, row: { name: port.name, ...row } },
      { op: "insert", table: "Port", as: newPort, row: { name: port.name, interfaces: [newInterface], external_ids: ids } },
    ];
    return { added: [newPort], present: undefined, operations };
  }
  const sameInterface =
    iface.type === row.type &&
    iface.ofport_request === row.ofport_request &&
    (port.mac === undefined || iface.mac === row.mac) &&
    (port.mtu === undefined || iface.mtu_request === row.mtu_request) &&
    sameMap(iface.options, row.options);
  const operations: Operations = [
    ...(sameInterface ? [] : [{ op: "update", table: "Interface", where: [["_uuid", "==", iface.uuid]], row } as const]),
    ...(sameMap(present.external_ids, ids)
      ? []
      : [{ op: "update", table: "Port", where: [["_uuid", "==", present.uuid]], row: { external_ids: ids } } as const]),
  ];
  return { added: [], present: present.uuid, operations };
}

function flowTableOperations(tables: OvsTables, wanted: WantedBridge, present: ReadonlyMap<number, string> | undefined) {
  const same =
    present?.size === wanted.flowTables.size &&
    wanted.flowTables.entries().every(([number, { name, prefixes }]) => {
      const row = tables.Flow_Table.get(present.get(number) ?? "");
      return row?.name === name && sameMembers(row.prefixes, prefixes);
    });
  if (same) return { operations: [], value: undefined };
  const rows = [...wanted.flowTables].map(([number, row]) => ({ number, row, as: namedUuid(`flow_table${number}`) }));
  return {
    operations: rows.map(({ row, as }) => ({ op: "insert", table: "Flow_Table", as, row }) as const),
    value: new Map(rows.map(({ number, as }) => [number, as])),
  };
}

/** It is asked for each table with each change of the database: nearly always they are written the same way. */
const sameMembers = (present: readonly string[], wanted: readonly string[]): boolean =>
  (present.length === wanted.length && present.every((member, index) => member === wanted[index])) ||
  new Set(present).symmetricDifference(new Set(wanted)).size === 0;

function sameMap(present: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(wanted);
  return present.size === entries.length && entries.every(([key, value]) => present.get(key) === value);
}
