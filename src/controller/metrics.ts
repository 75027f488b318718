import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { largeFrom, type PolicyChanges } from "#core/policy/index.ts";
import { answerText } from "#lib/apiserver/http/exchange.ts";
import type { PathExchange } from "#lib/apiserver/http/serve-path.ts";
import { addProcessMetrics } from "#lib/daemon/process-metrics.ts";

/** What metrics are read from. Reading changes nothing. */
export interface ControllerState {
  /** Changes of the cluster that are heard of and not yet computed. */
  readonly waiting: () => number;
  /** Reports of agents that wait behind what is computed. */
  readonly waitingReports: () => number;
  readonly connectedAgents: () => number;
  /** Policies that got past validation and cannot be used as they are. */
  readonly troubledPolicies: () => number;
  /** Parts of each large policy. */
  readonly largePolicies: () => ReadonlyMap<string, number>;
}

export interface ControllerMetrics {
  /** Counts what one turn of computing gave, and how long it took. */
  onComputed(changes: PolicyChanges, milliseconds: number): void;
  /** Counts a write of a policy's status. */
  onStatusWritten(kind: string): void;
  /** Tells of the running controller from now on; before, there are counters only. */
  watch(state: ControllerState): void;
  /** Answers `/metrics`. */
  serve(exchange: PathExchange): Promise<void>;
}

const things = ["applied_to_group", "address_group", "network_policy"] as const;
const changesOf: Readonly<Record<(typeof things)[number], (changes: PolicyChanges) => number>> = {
  applied_to_group: ({ appliedToGroups }) => appliedToGroups.length,
  address_group: ({ addressGroups }) => addressGroups.length,
  network_policy: ({ policies }) => policies.length,
};

/** One pod takes a tenth of a millisecond, a first list of 100 000 about a second. */
const durationBuckets = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500, 1_000, 5_000];

/** The controller's metrics under antrea's names, and a few of its own. Every series exists from the start, with 0. */
export function createControllerMetrics(): ControllerMetrics {
  const registry = new Registry();
  const registers = [registry];
  addProcessMetrics(registry);
  const series = things.map((thing) => {
    const word = thing.replaceAll("_", " ");
    return {
      changed: changesOf[thing],
      processed: new Counter({
        name: `antrea_controller_${thing}_processed`,
        help: `Changes of an ${word} that were computed.`,
        registers,
      }),
      // what arrives together is computed together
      duration: new Histogram({
        name: `antrea_controller_${thing}_sync_duration_milliseconds`,
        help: `Time of the turns of computing in which an ${word} changed.`,
        buckets: durationBuckets,
        registers,
      }),
    };
  });
  const statusUpdates = new Map(
    (
      [
        ["AntreaNetworkPolicy", "annp"],
        ["AntreaClusterNetworkPolicy", "acnp"],
      ] as const
    ).map(([kind, short]) => [
      kind as string,
      new Counter({ name: `antrea_controller_${short}_status_updates`, help: `Writes of the status of an ${kind}.`, registers }),
    ]),
  );
  return {
    onComputed(changes, milliseconds) {
      for (const { changed, processed, duration } of series) {
        const count = changed(changes);
        if (count === 0) continue;
        processed.inc(count);
        duration.observe(milliseconds);
      }
    },
    onStatusWritten: (kind) => statusUpdates.get(kind)?.inc(),
    watch: (state) => watchState(registry, state),
    serve: async (exchange) => answerText(exchange, 200, await registry.metrics(), registry.contentType),
  };
}

function watchState(registry: Registry, state: ControllerState): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  };
  for (const thing of things)
    gauge(
      `antrea_controller_length_${thing}_queue`,
      "Changes of the cluster that wait to be computed: one queue, in order, for everything.",
      state.waiting,
    );
  gauge("antrea_controller_waiting_reports", "Reports of agents that wait behind what is computed.", state.waitingReports);
  gauge("antrea_controller_connected_agents", "Agents that watch this replica.", state.connectedAgents);
  gauge(
    "antrea_controller_troubled_policies",
    "Policies that got past validation and have parts that cannot be used.",
    state.troubledPolicies,
  );
  gauge(
    "antrea_controller_large_policies",
    `Policies of ${largeFrom} parts and more as they are computed: rules, subjects, peers, blocks, ports. The log names them.`,
    () => state.largePolicies().size,
  );
  gauge("antrea_controller_largest_policy_parts", "Parts of the largest of them; 0: there is none.", () =>
    state
      .largePolicies()
      .values()
      .reduce((most, parts) => Math.max(most, parts), 0),
  );
}
