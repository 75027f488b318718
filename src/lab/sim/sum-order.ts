import { statsGroup, statsVersion } from "#core/api/stats/names.ts";
import { createKubeClient, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { type Random, seconds, type VirtualClock } from "#lib/runtime/index.ts";
import { type SimServer, simTransport } from "./http.ts";
import type { SimNetwork } from "./network.ts";
import type { Violation } from "./observer.ts";
import { createProcess, type SimProcess } from "./process.ts";

/** Asks any controller what policies let through, one after the other, and notices when a sum is less than it was. */
export interface SumOrder {
  /** Asks one of them, unless the last question is not answered yet. */
  ask(): void;
  readonly violations: readonly Violation[];
  readonly figures: { answers: number; sums: number };
}

interface Stats extends KubeObject {
  readonly trafficStats?: { readonly sessions: number; readonly packets: number; readonly bytes: number };
}

const host = "user";
/** Who waits no longer asks another. */
const patience = seconds(5);
const stats: Resource<Stats> = {
  group: statsGroup,
  version: statsVersion,
  plural: "networkpolicystats",
  kind: "NetworkPolicyStats",
  namespaced: true,
};

export function createSumOrder(options: {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly network: SimNetwork;
  readonly processes: Set<SimProcess>;
  readonly controllers: readonly string[];
  readonly serverOf: (host: string) => SimServer | undefined;
  /** UIDs of the policies that there are. Of one that is gone a controller that has not heard of it says what it knew. */
  readonly policies: () => ReadonlySet<string>;
  /** A controller that is new, and alone or without those that know what a node told before, may answer without that node, or with less of it, where that has been away for longer than it waits. */
  readonly mayHaveForgotten: () => boolean;
}): SumOrder {
  const { clock, random, network, processes, controllers, serverOf, policies, mayHaveForgotten } = options;
  const process = createProcess({ clock, name: host, all: processes });
  const violations: Violation[] = [];
  const figures = { answers: 0, sums: 0 };
  const clients = controllers.map((to): { readonly to: string; readonly client: KubeClient } => {
    const transport = simTransport({ network, random, host, process, user: host, to, server: () => serverOf(to) });
    return { to, client: createKubeClient({ config: { server: `http://${to}` }, transport }) };
  });
  /** By UID of the policy: the most that was told, and by whom. */
  const told = new Map<string, { readonly sessions: number; readonly packets: number; readonly by: string }>();
  let asking = false;
  const take = (by: string, { metadata: { uid = "", namespace, name }, trafficStats }: Stats): void => {
    if (trafficStats === undefined) return;
    const { sessions, packets } = trafficStats;
    const before = told.get(uid) ?? { sessions: 0, packets: 0, by };
    if (sessions > 0) figures.sums++;
    const isLess = sessions < before.sessions || packets < before.packets;
    if (isLess && mayHaveForgotten()) {
      told.set(uid, { sessions, packets, by });
      return;
    }
    if (isLess)
      violations.push({
        at: clock.monotonic(),
        node: by,
        text: `${by} says that ${namespace}/${name} let ${sessions} sessions and ${packets} packets through, after ${before.by} said ${before.sessions} and ${before.packets}`,
      });
    told.set(uid, { sessions: Math.max(sessions, before.sessions), packets: Math.max(packets, before.packets), by });
  };
  return {
    violations,
    figures,
    ask() {
      const chosen = clients[random.below(clients.length)];
      if (asking || chosen === undefined) return;
      asking = true;
      const enough = new AbortController();
      const timer = process.clock.after(patience, () => enough.abort());
      void chosen.client
        .list(stats, { signal: enough.signal })
        .then(
          ({ items }) => {
            figures.answers++;
            const present = policies();
            for (const item of items) if (present.has(item.metadata.uid ?? "")) take(chosen.to, item);
          },
          // It is away, or does not know yet.
          () => {},
        )
        .finally(() => {
          timer.cancel();
          asking = false;
        });
    },
  };
}
