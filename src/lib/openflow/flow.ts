import type { Action } from "./action.ts";
import type { Match } from "./match.ts";

/** Wishes of a flow-mod that the switch keeps with the flow, by ovs-ofctl's names. */
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
  /** What an overflowing table evicts last. */
  readonly importance?: number;
  readonly flags?: readonly FlowFlag[];
}

/** What a switch counts for a flow. */
export interface FlowStats {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** Seconds since it was added, with nanosecond digits. */
  readonly duration: number;
}

/** One change of a switch's flows. `delete` matches loosely and over all tables with table 255. */
export interface FlowMod {
  readonly command: "add" | "modify" | "modify_strict" | "delete" | "delete_strict";
  readonly flow: Flow;
  /** Bits of the cookie that must agree for modify and delete. Default 0: any. */
  readonly cookieMask?: bigint;
  /** Restrict a delete to flows that output to this port or group. */
  readonly outPort?: number;
  readonly outGroup?: number;
}
