import { Reader, type Writer } from "#lib/bytes/index.ts";
import { readInstructions } from "../actions/index.ts";
import type { FlowEntry, FlowStats } from "../flow.ts";
import type { Match } from "../match.ts";
import { readMatch, writeMatch } from "../oxm.ts";
import { anyGroup, anyPort, flowOf, readFlags } from "./flow-mod.ts";
import { endMessage, multipartType, startMultipart } from "./header.ts";

/** Which flows to report; everything absent is any. */
export interface FlowFilter {
  readonly table?: number;
  readonly cookie?: bigint;
  /** Bits of the cookie that must agree. Default all, when there is a cookie. */
  readonly cookieMask?: bigint;
  /** Flows whose match is this one or narrower. */
  readonly match?: Match;
}

/** OFPTT_ALL. */
export const allTables = 0xff;

/** Writes a request for flows (OFPMP_FLOW_DESC) or their sum (OFPMP_AGGREGATE_STATS). */
export function writeFlowRequest(writer: Writer, type: "flowDesc" | "aggregate", filter: FlowFilter, xid: number): void {
  const start = startMultipart(writer, multipartType[type], xid);
  writer
    .uint8(filter.table ?? allTables)
    .zeros(3)
    .uint32(anyPort)
    .uint32(anyGroup)
    .zeros(4)
    .uint64(filter.cookie ?? 0n)
    .uint64(filter.cookieMask ?? (filter.cookie === undefined ? 0n : 0xffff_ffff_ffff_ffffn));
  writeMatch(writer, filter.match ?? {});
  endMessage(writer, start);
}

/** Reads the entries of one part of a flow report. Throws OutOfBytes when they are cut short. */
export function readFlowEntries(bytes: Uint8Array): FlowEntry[] {
  const reader = new Reader(bytes);
  const flows: FlowEntry[] = [];
  while (reader.left > 0) {
    const length = reader.uint16();
    flows.push(readFlowEntry(reader.inner(length - 2)));
  }
  return flows;
}

function readFlowEntry(reader: Reader): FlowEntry {
  reader.skip(2);
  const table = reader.uint8();
  reader.skip(1);
  const priority = reader.uint16();
  const idleTimeout = reader.uint16();
  const hardTimeout = reader.uint16();
  const flags = readFlags(reader.uint16());
  const importance = reader.uint16();
  const cookie = reader.uint64();
  const match = readMatch(reader);
  const { stats } = readStats(reader);
  const actions = readInstructions(reader);
  return { ...flowOf({ table, priority, cookie, idleTimeout, hardTimeout, importance, flags, ...match, actions }), stats };
}

/** Sums over flows. */
export interface FlowAggregate {
  readonly flows: number;
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** Reads the body of an aggregate reply. Throws OutOfBytes when it is cut short. */
export function readAggregate(bytes: Uint8Array): FlowAggregate {
  const { stats, flows } = readStats(new Reader(bytes));
  return { flows, packets: stats.packets, bytes: stats.bytes };
}

/** `OXS_OF_*` of class 0x8002 (OpenFlow 1.5 §7.2.4). */
const counter = { duration: 0, idle: 1, flows: 3, packets: 4, bytes: 5 } as const;
const basicClass = 0x8002;

/** Reads an OXS structure with its padding; counters it does not know are skipped. */
export function readStats(reader: Reader): { readonly stats: FlowStats; readonly flows: number } {
  reader.skip(2);
  const length = reader.uint16();
  const entries = reader.inner(length - 4);
  reader.skip(Math.min((8 - (length % 8)) % 8, reader.left));
  let packets = 0n;
  let bytes = 0n;
  let duration = 0;
  let idle: number | undefined;
  let flows = 0;
  while (entries.left > 0) {
    const header = entries.uint32();
    const value = entries.inner(header & 0xff);
    if (header >>> 16 !== basicClass) continue;
    const kind = (header >>> 9) & 0x7f;
    if (kind === counter.duration) duration = value.uint32() + value.uint32() / 1e9;
    else if (kind === counter.idle) idle = value.uint32();
    else if (kind === counter.flows) flows = value.uint32();
    else if (kind === counter.packets) packets = value.uint64();
    else if (kind === counter.bytes) bytes = value.uint64();
  }
  return { stats: idle === undefined ? { packets, bytes, duration } : { packets, bytes, duration, idle }, flows };
}

/** A flow that the switch took away, or that was deleted, where it has `send_flow_rem`. */
export interface FlowRemoved {
  readonly reason: "idle_timeout" | "hard_timeout" | "delete" | "group_delete" | "meter_delete" | "eviction";
  /** Without its actions, which the switch does not tell. */
  readonly flow: Omit<FlowEntry, "actions">;
}

const removalReasons: readonly FlowRemoved["reason"][] = [
  "idle_timeout",
  "hard_timeout",
  "delete",
  "group_delete",
  "meter_delete",
  "eviction",
];

/** Reads the body of a flow-removed; undefined for a reason not known. Throws OutOfBytes when it is cut short. */
export function readFlowRemoved(body: Uint8Array): FlowRemoved | undefined {
  const reader = new Reader(body);
  const table = reader.uint8();
  const reason = removalReasons[reader.uint8()];
  const priority = reader.uint16();
  const idleTimeout = reader.uint16();
  const hardTimeout = reader.uint16();
  const cookie = reader.uint64();
  const match = readMatch(reader);
  const { stats } = readStats(reader);
  const { actions, ...flow } = flowOf({
    table,
    priority,
    cookie,
    idleTimeout,
    hardTimeout,
    importance: 0,
    flags: [],
    actions: [],
    ...match,
  });
  return reason === undefined || actions.length > 0 ? undefined : { reason, flow: { ...flow, stats } };
}
