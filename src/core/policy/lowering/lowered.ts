import type { IpBlock } from "#core/api/controlplane/index.ts";
import { type GroupReference, selectPods } from "../group-selector.ts";
import type { LoweredPolicy } from "../lowered-policy.ts";

/** A policy brought to the engine's form, and what in it could not be used: such a part matches nothing and harms nothing else. */
export interface Lowered {
  /** Undefined when nothing of it can be enforced at present. */
  readonly policy: LoweredPolicy | undefined;
  readonly problems: readonly string[];
  /** Why there is no policy, as its status tells it. */
  readonly unrealizable?: { readonly reason: string; readonly message: string };
}

/** The other end of a rule. */
export interface LoweredPeers {
  readonly peers: readonly GroupReference[];
  readonly ipBlocks: readonly IpBlock[];
}

export const nobody: LoweredPeers = Object.freeze({ peers: Object.freeze([]), ipBlocks: Object.freeze([]) });

/** A named port is looked up in the destination pod, so that an egress rule to anybody needs to know all pods. */
export const everyPod: readonly GroupReference[] = Object.freeze([selectPods({ namespace: undefined, namespaceSelector: {} })]);
