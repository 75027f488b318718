import { type ComputedRevisions, isOlder } from "#core/api/controlplane/index.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Change } from "#lib/table/table.ts";

/** How far each input is computed, and whether the Kubernetes API is still heard: what agents judge a replica by. */
export interface Freshness {
  /** A change of one object was computed. The version that was reached with it follows. */
  changed(input: string, change: Change<KubeObject>): void;
  reached(input: string, version: string): void;
  /** Whether the version of each change is known: that of a deletion is the one that is reached by it. */
  readonly isWhole: boolean;
  /** As it is now. */
  revisions(cluster: string): ComputedRevisions;
}

export function createFreshness({
  clock,
  problem,
}: {
  readonly clock: Clock;
  /** Why the API is not heard, or undefined. */
  readonly problem: () => string | undefined;
}): Freshness {
  const reached = new Map<string, string>();
  const newest = new Map<string, string>();
  /** By input, the newest version among the changes since the last step; undefined where only the version to come can tell. */
  const pending = new Map<string, string | undefined>();
  let cutOffSince: string | undefined;

  const raise = (input: string, version: string): void => {
    const before = newest.get(input);
    if (before === undefined || isOlder(before, version)) newest.set(input, version);
  };
  return {
    changed(input, { after }) {
      // A deletion has the version that is reached by it.
      const version = after?.metadata.resourceVersion;
      if (version === undefined) pending.set(input, undefined);
      else if (!pending.has(input)) pending.set(input, version);
      else {
        const before = pending.get(input);
        if (before !== undefined && isOlder(before, version)) pending.set(input, version);
      }
    },
    reached(input, version) {
      reached.set(input, version);
      if (pending.has(input)) raise(input, pending.get(input) ?? version);
      pending.delete(input);
    },
    get isWhole() {
      return pending.size === 0;
    },
    revisions(cluster) {
      if (problem() === undefined) cutOffSince = undefined;
      else cutOffSince ??= `${new Date(clock.wall()).toISOString().slice(0, 19)}Z`;
      const { pods = "", namespaces = "", networkpolicies = "", ...others } = Object.fromEntries(reached);
      return {
        cluster,
        pods,
        namespaces,
        networkpolicies,
        ...(Object.keys(others).length > 0 && { others }),
        changed: Object.fromEntries(newest),
        ...(cutOffSince !== undefined && { cutOffSince }),
      };
    },
  };
}
