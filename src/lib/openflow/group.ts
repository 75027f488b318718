import type { Action } from "./action.ts";
import type { FieldName } from "./fields.ts";
import type { PortNumber } from "./port.ts";

export interface Bucket {
  /** 0 … 0xffffff00; by default its place in the list. */
  readonly id?: number;
  /** Share among a select group's buckets, 0 … 65535. Default for select: 1 on the wire as ovs-ofctl writes it. */
  readonly weight?: number;
  /** Alive while this port or group is (select, fast_failover). */
  readonly watchPort?: PortNumber;
  readonly watchGroup?: number;
  readonly actions: readonly Action[];
}

/** One entry of the group table. */
export interface Group {
  /** 0 … 0xffffff00. */
  readonly group: number;
  readonly type: "all" | "select" | "indirect" | "fast_failover";
  /** Netronome's extension that Open vSwitch has: how a select group chooses. Default: the switch's own hash. */
  readonly selectionMethod?: "hash" | "dp_hash";
  readonly selectionParameter?: bigint;
  /** Fields that `hash` looks at; a mask of absent means all bits. */
  readonly selectionFields?: readonly { readonly field: FieldName; readonly mask?: bigint }[];
  readonly buckets: readonly Bucket[];
}

export type GroupMod =
  /** `add_or_modify` is Open vSwitch's own command: it needs no knowledge of what is there. */
  | { readonly command: "add" | "modify" | "add_or_modify"; readonly group: Group }
  /** A group number, or every group. Flows that use it go too. */
  | { readonly command: "delete"; readonly group: number | "all" }
  | {
      readonly command: "insert_bucket";
      readonly group: number;
      readonly after: number | "first" | "last";
      readonly buckets: readonly Bucket[];
    }
  | { readonly command: "remove_bucket"; readonly group: number; readonly bucket: number | "first" | "last" | "all" };
