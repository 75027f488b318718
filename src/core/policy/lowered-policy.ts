import type { Direction, IpBlock, NamespacedName, PolicyReference, RuleAction, ServiceMatch } from "#core/api/controlplane/index.ts";
import type { GroupReference } from "./group-selector.ts";

/** The one form every policy kind is brought to before the engine sees it: where in the order, for whom, what. */
export interface LoweredPolicy {
  readonly sourceRef: PolicyReference;
  readonly generation: number;
  /** Absent for Kubernetes policies, which form a layer of their own. */
  readonly tierPriority?: number;
  readonly priority?: number;
  /** Empty when the rules name their own subjects. */
  readonly appliedTo: readonly GroupReference[];
  readonly rules: readonly LoweredRule[];
  /** Told as what it would do, and not enforced. */
  readonly staged?: true;
  /** Its namespace asks that the client be told of what it denies, which stands in its rules already. */
  readonly refusing?: true;
  /** The namespace whose switches decide for all rules; absent when each rule says so itself. */
  readonly loggingOf?: string;
}

/** What a policy can be lowered from at any time, with the same result: kept in place of that where it is there anyway. */
export interface PolicySource {
  lower(): LoweredPolicy;
}

export interface LoweredRule {
  readonly direction: Direction;
  readonly action: RuleAction;
  /** Position in its policy and direction; −1 for Kubernetes rules. */
  readonly priority: number;
  /** Union of groups, blocks, names and Services. All empty: matches nothing, isolates only. */
  readonly peers: readonly GroupReference[];
  readonly ipBlocks: readonly IpBlock[];
  readonly fqdns?: readonly string[];
  readonly toServices?: readonly NamespacedName[];
  /** Empty = everything. */
  readonly services: readonly ServiceMatch[];
  readonly appliedTo: readonly GroupReference[];
  readonly name?: string;
  readonly logging?: boolean;
  readonly logLabel?: string;
  readonly l7Protocols?: readonly unknown[];
}
