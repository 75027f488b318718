import type { NamespaceRow } from "../rows.ts";
import type { GroupContent } from "./groups.ts";

/** What else there is in the cluster that decides what a policy means. Who asks is told again when the answer changes. */
export interface LoweringContext {
  /** Undefined while there is no such tier. */
  tierPriority(tier: string): number | undefined;
  /** `name` of a ClusterGroup, `namespace/name` of a Group; undefined while there is none. */
  group(key: string): GroupContent | undefined;
  /** Whether the namespace asks that clients be told of what its policies deny. */
  isRefusing(namespace: string): boolean;
  /** All namespaces: a policy that asks is lowered again when one comes, goes or is relabelled. */
  namespaces(): Iterable<NamespaceRow>;
}
