import type { IpAddress } from "#lib/ip/index.ts";
import type { FieldName } from "./fields.ts";
import type { PortNumber } from "./port.ts";
import type { Subfield } from "./subfield.ts";

/** Address and port translation of a `ct` action. Without a `kind`, only what was translated before is applied. */
export interface Nat {
  readonly kind?: "src" | "dst";
  /** Addresses to choose from; one when `max` is absent. */
  readonly addresses?: { readonly min: IpAddress; readonly max?: IpAddress };
  readonly ports?: { readonly min: number; readonly max?: number };
  /** The same client gets the same address, also across restarts. */
  readonly persistent?: true;
  /** How the port is chosen. */
  readonly selection?: "hash" | "random";
}

/** One part of the flow that a `learn` action makes. A bigint is a constant; a subfield is read from the packet that caused it. */
export type LearnSpec =
  | { readonly kind: "match"; readonly destination: Subfield; readonly source: Subfield | bigint }
  | { readonly kind: "load"; readonly destination: Subfield; readonly source: Subfield | bigint }
  | { readonly kind: "output"; readonly source: Subfield };

/** Send through the connection tracker. */
export interface ConntrackAction {
  readonly type: "ct";
  readonly commit?: true;
  /** Takes over a connection whose direction is wrong; needs `commit`. */
  readonly force?: true;
  /** Default zone 0. */
  readonly zone?: number | Subfield;
  /** Continue in this table with the connection's state; without it the packet's copy is only tracked. */
  readonly table?: number;
  readonly nat?: Nat;
  /** `set_field`, `load` and `move` on `ct_mark` and `ct_label`, done when the connection is committed. */
  readonly exec?: readonly Action[];
  readonly alg?: "ftp" | "tftp";
}

/** Make a flow out of the packet at hand. */
export interface LearnAction {
  readonly type: "learn";
  readonly table: number;
  /** Default 32768. */
  readonly priority?: number;
  /** Seconds, 0 … 65535; 0 or absent is never. The same for the four below. */
  readonly idleTimeout?: number;
  readonly hardTimeout?: number;
  readonly finIdleTimeout?: number;
  readonly finHardTimeout?: number;
  readonly cookie?: bigint;
  readonly sendFlowRemoved?: true;
  /** Learned flows go when the flow with this action goes. */
  readonly deleteLearned?: true;
  /** At most this many flows with this cookie and table. */
  readonly limit?: number;
  /** Where to write 1 when a flow was learned and 0 when the limit forbade it: one bit. Needs `limit`. */
  readonly resultDestination?: Subfield;
  readonly specs: readonly LearnSpec[];
}

/** Send to controllers. Without options `CONTROLLER:65535`. */
export interface ControllerAction {
  readonly type: "controller";
  /** Bytes of the packet to send, 0 … 65535. Default 65535: all. */
  readonly maxLength?: number;
  /** Default `action`. */
  readonly reason?: PacketInReason;
  /** Only to the controller connections with this id (NXT_SET_CONTROLLER_ID). Default 0. */
  readonly id?: number;
  /** Handed back with the packet. */
  readonly userdata?: Uint8Array;
  /** Stop the pipeline until the controller resumes the packet. */
  readonly pause?: true;
  readonly meter?: number;
}

export type PacketInReason = "no_match" | "action" | "invalid_ttl" | "action_set" | "group" | "packet_out";

/** What to do with a packet, in order. An empty list drops it. Names are ovs-actions(7)'s. */
export type Action =
  /** `maxLength` cuts the packet: bytes for the controller with port CONTROLLER, `output(port=…,max_len=…)` otherwise. */
  | { readonly type: "output"; readonly port: PortNumber; readonly maxLength?: number }
  | { readonly type: "output_reg"; readonly source: Subfield; readonly maxLength?: number }
  | { readonly type: "set_field"; readonly field: FieldName; readonly value: bigint; readonly mask?: bigint }
  /** The value goes into the subfield. OpenFlow 1.5 has no own code for it: it travels and comes back as `set_field` with a mask. */
  | { readonly type: "load"; readonly value: bigint; readonly destination: Subfield }
  | { readonly type: "move"; readonly source: Subfield; readonly destination: Subfield }
  | { readonly type: "push_vlan"; readonly etherType: number }
  | { readonly type: "pop_vlan" }
  | { readonly type: "resubmit"; readonly table?: number; readonly port?: PortNumber; readonly ct?: true }
  | { readonly type: "goto_table"; readonly table: number }
  | { readonly type: "write_metadata"; readonly value: bigint; readonly mask?: bigint }
  | { readonly type: "write_actions"; readonly actions: readonly Action[] }
  | { readonly type: "clear_actions" }
  | ConntrackAction
  | { readonly type: "ct_clear" }
  | { readonly type: "dec_ttl"; readonly ids?: readonly number[] }
  | { readonly type: "group"; readonly group: number }
  | { readonly type: "meter"; readonly meter: number }
  /** `clause` counts from 1 to `clauses`. */
  | { readonly type: "conjunction"; readonly id: number; readonly clause: number; readonly clauses: number }
  | LearnAction
  | ControllerAction
  | { readonly type: "note"; readonly bytes: Uint8Array }
  | { readonly type: "push"; readonly source: Subfield }
  | { readonly type: "pop"; readonly destination: Subfield }
  | { readonly type: "set_queue"; readonly queue: number }
  | { readonly type: "pop_queue" }
  | { readonly type: "exit" }
  | { readonly type: "fin_timeout"; readonly idleTimeout: number; readonly hardTimeout: number }
  | { readonly type: "check_pkt_larger"; readonly length: number; readonly destination: Subfield }
  /** The first of the ports that is there and has a carrier goes into the subfield (at least 16 bits), 0xffff when none has. */
  | { readonly type: "bundle_load"; readonly members: readonly number[]; readonly destination: Subfield }
  | { readonly type: "clone"; readonly actions: readonly Action[] }
  /** An action or instruction this codec does not know, whole as it came. */
  | { readonly type: "unknown"; readonly layer: "action" | "instruction"; readonly bytes: Uint8Array };

export type ActionType = Action["type"];
