import type { PolicyReference } from "./types.ts";

/** Of GET of the status: the members that are asked after, as {@link EnforcementStatus.asOf} of an earlier answer said. */
export const asOfParameter = "asOf";

/** How one node stands to the present generation of a policy. */
export interface NodeEnforcement {
  readonly nodeName: string;
  /** The generation that it told of last; 0 while it has told of none. */
  readonly generation: number;
  /**
   * Proven: read back from the switch, and nothing that the switch has cached can contradict it. Realized: no more is known than that it is in the switch. Failed: not
   * as written, `message` says why. Waiting: nothing was told of this generation.
   */
  readonly state: "Proven" | "Realized" | "Failed" | "Waiting";
  readonly message?: string;
  /**
   * Whether it has proven the members that the policy's groups have now, or those of {@link EnforcementStatus.asOf} that was asked for. Absent: the node does not tell
   * of members.
   */
  readonly membersProven?: boolean;
  /** From when the controller told the node until it heard of the proof; absent when it has not proven it, or was told before the controller started. */
  readonly afterMilliseconds?: number;
}

/** What GET of `networkpolicies/<uid>/status` answers; what agents POST there has the same kind, and `nodeName`, `generation`, `revision` and `proven` of itself. */
export interface EnforcementStatus {
  readonly apiVersion: string;
  readonly kind: "NetworkPolicyStatus";
  readonly metadata: { readonly name: string };
  readonly policy: PolicyReference;
  /** As the controller has computed it. */
  readonly generation: number;
  /** It is staged: what nodes have proven is that they only say what it would do. */
  readonly staged?: true;
  /**
   * What the groups of the policy contain now, as {@link asOfParameter} takes it: who passes it back hears whether nodes have proven that or more, however often members
   * change in the meantime. Absent from controllers that do not follow members.
   */
  readonly asOf?: string;
  /** The nodes of the span, by name. */
  readonly nodes: readonly NodeEnforcement[];
}
