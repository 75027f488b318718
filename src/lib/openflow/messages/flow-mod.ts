import { Reader, type Writer } from "#lib/bytes/index.ts";
import { readInstructions, writeInstructions } from "../actions/index.ts";
import { compact } from "../actions/codec.ts";
import type { Flow, FlowFlag, FlowMod } from "../flow.ts";
import { readMatch, writeMatch } from "../oxm.ts";
import { endMessage, messageType, startMessage } from "./header.ts";

/** `OFPFC_*` in order. */
const commands: readonly FlowMod["command"][] = ["add", "modify", "modify_strict", "delete", "delete_strict"];

/** `OFPFF_*` by bit, lowest first. */
const flagBits: readonly FlowFlag[] = ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"];

export const noBuffer = 0xffffffff;
/** OFPP_ANY, OFPG_ANY: no restriction. */
export const anyPort = 0xffffffff;
export const anyGroup = 0xffffffff;

/** Writes a flow-mod (OpenFlow 1.5 §7.3.4.2). A delete leaves the actions out. */
export function writeFlowMod(writer: Writer, mod: FlowMod, xid: number): void {
  const { command, flow } = mod;
  const start = startMessage(writer, messageType.flowMod, xid);
  const deletes = command === "delete" || command === "delete_strict";
  writer
    .uint64(flow.cookie)
    .uint64(mod.cookieMask ?? 0n)
    .uint8(flow.table)
    .uint8(commands.indexOf(command))
    .uint16(flow.idleTimeout ?? 0)
    .uint16(flow.hardTimeout ?? 0)
    .uint16(flow.priority)
    .uint32(noBuffer)
    .uint32(mod.outPort ?? anyPort)
    .uint32(mod.outGroup ?? anyGroup)
    .uint16(writeFlags(flow.flags))
    .uint16(flow.importance ?? 0);
  writeMatch(writer, flow.match, flow.unknownFields);
  if (!deletes) writeInstructions(writer, flow.actions);
  endMessage(writer, start);
}

/** Reads the body of a flow-mod; undefined when it is not one. Throws OutOfBytes when it is cut short. */
export function readFlowMod(body: Uint8Array): FlowMod | undefined {
  const reader = new Reader(body);
  const cookie = reader.uint64();
  const cookieMask = reader.uint64();
  const table = reader.uint8();
  const command = commands[reader.uint8()];
  const idleTimeout = reader.uint16();
  const hardTimeout = reader.uint16();
  const priority = reader.uint16();
  reader.skip(4);
  const outPort = reader.uint32();
  const outGroup = reader.uint32();
  const flags = readFlags(reader.uint16());
  const importance = reader.uint16();
  const match = readMatch(reader);
  const flow = flowOf({
    table,
    priority,
    cookie,
    idleTimeout,
    hardTimeout,
    importance,
    flags,
    ...match,
    actions: readInstructions(reader),
  });
  if (command === undefined) return undefined;
  return compact<FlowMod>({
    command,
    flow,
    cookieMask: cookieMask || undefined,
    outPort: outPort === anyPort ? undefined : outPort,
    outGroup: outGroup === anyGroup ? undefined : outGroup,
  });
}

export function writeFlags(flags: readonly FlowFlag[] = []): number {
  return flags.reduce((bits, flag) => bits | (1 << flagBits.indexOf(flag)), 0);
}

export function readFlags(bits: number): FlowFlag[] {
  return bits === 0 ? [] : flagBits.filter((_, index) => bits & (1 << index));
}

/** A flow without what is default. */
export function flowOf(parts: Required<Omit<Flow, "unknownFields">> & Pick<Flow, "unknownFields">): Flow {
  const { table, priority, cookie, match, actions } = parts;
  const flow: { -readonly [Key in keyof Flow]: Flow[Key] } = { table, priority, cookie, match, actions };
  if (parts.idleTimeout !== 0) flow.idleTimeout = parts.idleTimeout;
  if (parts.hardTimeout !== 0) flow.hardTimeout = parts.hardTimeout;
  if (parts.importance !== 0) flow.importance = parts.importance;
  if (parts.flags.length > 0) flow.flags = parts.flags;
  if (parts.unknownFields !== undefined) flow.unknownFields = parts.unknownFields;
  return flow;
}
