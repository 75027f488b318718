import type { ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { KeptStatistics } from "../statistics/keep.ts";
import { nothingCounted } from "../statistics/node-counted.ts";
import type { HeardReport } from "../status/reports.ts";
import { type FollowedPeers, followPeers, type Peers } from "./follow-peers.ts";
import { createOffer } from "./offer.ts";

/** What is known of nodes is what any replica was told. */
export interface Exchange {
  /** What the others ask for. */
  readonly definition: ResourceDefinition;
  /** To be called when something else is known of a policy on a node; without a policy, of the node. */
  changed(node: string, policy: string | undefined): void;
  /** Resolves when what the others knew at the start is known here, and nothing was told since by one of them that is not; or they take too long. */
  whenHeard(): Promise<void>;
  /** Resolves when those of the others that may be asked know all that is known here at the call. */
  whenShared(): Promise<void>;
}

export function exchangeReports(options: {
  readonly runtime: Runtime;
  /** Names this run of this replica. */
  readonly origin: string;
  readonly peers: Peers;
  /** Settles when it is known which policies there are. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly statistics: Pick<KeptStatistics, "on" | "join">;
  readonly enforced: {
    on(node: string, policy: string): HeardReport | undefined;
    join(node: string, policy: string, report: HeardReport): void;
  };
  readonly signal: AbortSignal;
}): Exchange {
  const { runtime, origin, peers, ready, statistics, enforced, signal } = options;
  const offer = createOffer({
    clock: runtime.clock,
    origin,
    knowledge: (node, policies) => ({
      node,
      counted: new Map(
        policies.map((policy) => [policy, statistics.on(node, policy)] as const).filter(([, counted]) => counted !== nothingCounted),
      ),
      enforced: new Map(
        policies.flatMap((policy) => {
          const report = enforced.on(node, policy);
          return report === undefined ? [] : [[policy, report] as const];
        }),
      ),
    }),
  });
  const following = (async (): Promise<FollowedPeers | undefined> => {
    // Of policies that are not known here yet little is kept.
    while (!signal.aborted)
      try {
        await ready(signal);
        break;
      } catch {
        // It takes longer than requests wait.
      }
    if (signal.aborted) return undefined;
    const followed = followPeers({
      runtime,
      peers,
      origin,
      take({ node, heard, counted, enforced: reports }) {
        statistics.join(node, { heard, counted });
        for (const [policy, report] of reports) enforced.join(node, policy, report);
      },
      signal,
    });
    await followed.whenHeard;
    return followed;
  })();
  return {
    definition: offer.definition,
    changed: (node, policy) => offer.changed({ node, policy }),
    whenHeard: async () => (await following)?.whenCurrent(),
    whenShared: offer.whenShared,
  };
}
