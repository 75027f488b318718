import type { Nat, PacketInReason } from "../action.ts";
import type { TableEntry } from "./table-entry.ts";
import type { Key, WordValue } from "./layout.ts";
import type { Tunnel } from "./packet.ts";

/** What the datapath does to a packet: the result of a walk through the tables, valid for every packet that agrees in the bits consulted. */
export type Operation =
  | { readonly type: "set"; readonly values: readonly WordValue[] }
  | { readonly type: "output"; readonly port: number; readonly tunnel?: Tunnel; readonly maxLength?: number }
  | ConntrackOperation
  | { readonly type: "ct_clear" }
  | { readonly type: "recirc"; readonly id: number }
  | { readonly type: "push_vlan"; readonly etherType: number }
  | { readonly type: "pop_vlan" }
  | { readonly type: "clone"; readonly operations: readonly Operation[] }
  | { readonly type: "meter"; readonly meter: number }
  | PacketInOperation;

export interface ConntrackOperation {
  readonly type: "ct";
  readonly zone: number;
  readonly commit: boolean;
  readonly force: boolean;
  readonly nat?: Nat;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly label?: { readonly value: readonly number[]; readonly mask: readonly number[] };
}

export interface PacketInOperation {
  readonly type: "packet_in";
  readonly reason: PacketInReason;
  readonly table: number;
  readonly cookie: bigint;
  readonly maxLength: number;
  /** Registers, tunnel and the like as they were; headers are the packet's own. */
  readonly key: Key;
  readonly userdata?: Uint8Array;
  /** Where to go on when the controller resumes the packet. */
  readonly resumeAt?: number;
}

/** A walk through the tables, from one entry into the datapath to the operations. */
export interface Translation {
  readonly operations: readonly Operation[];
  /** Bits that decided. Valid until the next walk. */
  readonly consulted: Key;
  /** Entries hit, to be counted. */
  readonly hits: readonly TableEntry[];
  /** What else each packet does: learning. */
  readonly effects: readonly (() => void)[];
  /** Another packet that agrees in the bits consulted would fare the same. */
  readonly repeatable: boolean;
}
