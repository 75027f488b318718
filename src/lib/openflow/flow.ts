import type { Action } from "./action.ts";
import { sameActions } from "./actions/index.ts";
import { type Match, matchKey } from "./match.ts";

export type { Action, ActionType, ConntrackAction, ControllerAction, LearnAction, LearnSpec, Nat, PacketInReason } from "./action.ts";
export { formatActions, parseActions } from "./actions/index.ts";
export { type FieldName, fields, findField } from "./fields.ts";
export { type FlowText, formatFlow, parseFlow } from "./flow-text.ts";
export { type FieldMatch, type Match, missingPrerequisites, normalMatch } from "./match.ts";
export { formatMatch, parseMatch } from "./match-text.ts";
export { formatPort, type PortNumber, parsePort, portToWire, reservedPorts } from "./port.ts";
export { formatSubfield, parseSubfield, type Subfield, wholeField } from "./subfield.ts";

/** Flags of a flow-mod, by ovs-ofctl's names. `check_overlap` and `reset_counts` act once; the switch keeps the others with the flow. */
export type FlowFlag = "send_flow_rem" | "check_overlap" | "reset_counts" | "no_packet_counts" | "no_byte_counts";

/** One entry of a flow table. */
export interface Flow {
  /** 0 … 254. */
  readonly table: number;
  /** 0 … 65535; the higher wins. */
  readonly priority: number;
  /** 64 bits that belong to the controller. */
  readonly cookie: bigint;
  readonly match: Match;
  readonly actions: readonly Action[];
  /** Seconds, 1 … 65535; absent is never. */
  readonly idleTimeout?: number;
  readonly hardTimeout?: number;
  /** What an overflowing table evicts last, 0 … 65535. */
  readonly importance?: number;
  readonly flags?: readonly FlowFlag[];
  /** Conditions read from a switch on fields that {@link Match} does not know, as OXMs. */
  readonly unknownFields?: readonly Uint8Array[];
}

/** What a switch counts for a flow. */
export interface FlowStats {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Seconds since it was added, with digits down to nanoseconds. */
  readonly duration: number;
  /** Whole seconds since a packet last matched. */
  readonly idle?: number;
}

/** A flow as a switch reports it. */
export interface FlowEntry extends Flow {
  readonly stats: FlowStats;
}

/** One change of a switch's flows. `modify` and `delete` act on every flow that the match covers; table 255 is all tables (delete only). */
export interface FlowMod {
  readonly command: "add" | "modify" | "modify_strict" | "delete" | "delete_strict";
  readonly flow: Flow;
  /** Bits of `flow.cookie` that must agree for modify and delete. Default 0: any. */
  readonly cookieMask?: bigint;
  /** Restrict a delete to flows that output to this port or group. */
  readonly outPort?: number;
  readonly outGroup?: number;
}

/** What identifies a flow in its switch: table, priority and match. Equal keys are the same entry, however the match is written. */
export function flowKey(flow: Pick<Flow, "table" | "priority" | "match" | "unknownFields">): string {
  let key = `${flow.table}|${flow.priority}${matchKey(flow.match)}`;
  for (const raw of flow.unknownFields ?? []) key += `|${Buffer.from(raw).toString("hex")}`;
  return key;
}

/** Whether a switch that has one would be unchanged by adding the other: same key and {@link sameContent}. */
export function sameFlow(one: Flow, other: Flow): boolean {
  return sameContent(one, other) && flowKey(one) === flowKey(other);
}

/** What a flow's key does not say. */
export type FlowContent = Pick<Flow, "cookie" | "actions" | "idleTimeout" | "hardTimeout" | "importance" | "flags">;

/** Whether two flows of the same {@link flowKey} agree in all else that the switch keeps: cookie, actions, timeouts, importance and kept flags. */
export function sameContent(one: FlowContent, other: FlowContent): boolean {
  if (one === other) return true;
  return (
    one.cookie === other.cookie &&
    (one.idleTimeout ?? 0) === (other.idleTimeout ?? 0) &&
    (one.hardTimeout ?? 0) === (other.hardTimeout ?? 0) &&
    (one.importance ?? 0) === (other.importance ?? 0) &&
    keptFlags(one) === keptFlags(other) &&
    sameActions(one.actions, other.actions)
  );
}

const kept: readonly FlowFlag[] = ["send_flow_rem", "no_packet_counts", "no_byte_counts"];
const keptFlags = ({ flags }: FlowContent): string => (flags === undefined ? "" : kept.filter((flag) => flags.includes(flag)).join());
