import { Reader, type Writer } from "#lib/bytes/index.ts";
import { readInstructions } from "../actions/index.ts";
import type { Flow } from "../flow.ts";
import type { Match } from "../match.ts";
import { readMatch, writeMatch } from "../oxm.ts";
import { anyGroup, anyPort, flowOf } from "./flow-mod.ts";
import { allTables } from "./flow-stats.ts";
import { endMessage, multipartType, startMultipart } from "./header.ts";

/** What a flow monitor tells. */
export type FlowUpdate =
  /** `initial`: it was there at the start. A removed flow comes without actions. */
  | { readonly event: "initial" | "added" | "modified" | "removed"; readonly flow: Flow }
  /** A change that this connection made itself, by the xid of its flow-mod. */
  | { readonly event: "own"; readonly xid: number }
  /** The switch ran out of buffer: what happens until `resumed` is told in one go. */
  | { readonly event: "paused" | "resumed" };

export interface FlowMonitorOptions {
  /** Default every table. */
  readonly tables?: readonly number[];
  /** Flows whose match is this one or narrower. */
  readonly match?: Match;
  /** Tell first what is there. */
  readonly initial?: boolean;
}

const command = { add: 0, delete: 2 } as const;
const monitorFlag = { initial: 1, add: 2, removed: 4, modify: 8, instructions: 16 } as const;

/** Writes a request that starts monitor `id` of one table (255: of every one) (OpenFlow 1.5 §7.3.5.17). */
export function writeMonitor(
  writer: Writer,
  { id, table }: { readonly id: number; readonly table: number },
  { match, initial }: Omit<FlowMonitorOptions, "tables">,
  xid: number,
): void {
  const start = startMultipart(writer, multipartType.flowMonitor, xid);
  writer
    .uint32(id)
    .uint32(anyPort)
    .uint32(anyGroup)
    .uint16((initial ? monitorFlag.initial : 0) | monitorFlag.add | monitorFlag.removed | monitorFlag.modify | monitorFlag.instructions)
    .uint8(table)
    .uint8(command.add);
  writeMatch(writer, match ?? {});
  endMessage(writer, start);
}

/** Writes a request that ends monitor `id`. */
export function writeMonitorEnd(writer: Writer, id: number, xid: number): void {
  const start = startMultipart(writer, multipartType.flowMonitor, xid);
  writer.uint32(id).uint32(anyPort).uint32(anyGroup).uint16(0).uint8(allTables).uint8(command.delete);
  writeMatch(writer, {});
  endMessage(writer, start);
}

const flowEvents = ["initial", "added", "removed", "modified"] as const;
const event = { own: 4, paused: 5, resumed: 6 } as const;

/** Reads the entries of one part of a monitor's report. Throws OutOfBytes when they are cut short. */
export function readFlowUpdates(bytes: Uint8Array): FlowUpdate[] {
  const reader = new Reader(bytes);
  const updates: FlowUpdate[] = [];
  while (reader.left > 0) {
    const entry = reader.inner(reader.uint16() - 2);
    const number = entry.uint16();
    const kind = flowEvents[number];
    if (kind !== undefined) updates.push({ event: kind, flow: readFlow(entry) });
    else if (number === event.own) updates.push({ event: "own", xid: entry.uint32() });
    else if (number === event.paused) updates.push({ event: "paused" });
    else if (number === event.resumed) updates.push({ event: "resumed" });
  }
  return updates;
}

function readFlow(reader: Reader): Flow {
  const table = reader.uint8();
  reader.skip(1);
  const idleTimeout = reader.uint16();
  const hardTimeout = reader.uint16();
  const priority = reader.uint16();
  reader.skip(4);
  const cookie = reader.uint64();
  const match = readMatch(reader);
  const actions = readInstructions(reader);
  return flowOf({ table, priority, cookie, idleTimeout, hardTimeout, importance: 0, flags: [], ...match, actions });
}
