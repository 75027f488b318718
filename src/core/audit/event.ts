import type { Direction, PolicyReference, RuleAction } from "#core/api/controlplane/index.ts";
import type { NamespacedName } from "#core/api/controlplane/types.ts";
import type { AuditedPacket } from "./packet.ts";

/** What was decided, by antrea's words; `Redirect` hands a connection to the engine for layer 7. `Staged…` is ours: what a policy that is only staged would decide. */
export type Disposition = RuleAction | "Redirect" | `Staged${RuleAction}`;

/** The rule behind a logged packet. */
export interface AuditedRule {
  /** Absent for the default drop of Kubernetes policies, which belongs to none of them. */
  readonly policy?: PolicyReference;
  readonly rule?: string;
  readonly direction: Direction;
  readonly disposition: Disposition;
  /** The OpenFlow priority of its flows; absent for the default drop. */
  readonly priority?: number;
  readonly logLabel?: string;
}

/** One packet that a rule logs. */
export interface AuditEvent extends AuditedRule {
  /** The flow table, by name. */
  readonly table: string;
  /** The pod that the rule applies to. */
  readonly appliedTo?: NamespacedName;
  readonly packet: AuditedPacket;
}
