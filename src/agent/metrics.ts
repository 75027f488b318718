import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import { addProcessMetrics } from "#lib/daemon/process-metrics.ts";
import type { AuditFigures } from "./audit/index.ts";
import type { DriftLog } from "./drift.ts";
import type { FqdnRules } from "./fqdn/index.ts";
import type { FlowOperations, FlowStatus } from "./flows/index.ts";
import type { PacketInFigures } from "./packet-in/index.ts";

/** What metrics are read from. Reading changes nothing. */
export interface AgentState {
  readonly networkPolicies: () => readonly NetworkPolicy[];
  readonly localPods: () => number;
  /** Names of the pipeline's tables, by number. */
  readonly tableNames: ReadonlyMap<number, string>;
  /** Flows in the switch, by table. Rejects when the switch does not answer. */
  readonly flowCounts: () => Promise<ReadonlyMap<number, number>>;
  readonly flows: () => Pick<FlowStatus, "refused" | "refusedGroups">;
  readonly failures: () => ReadonlyMap<string, string>;
  readonly drift: DriftLog;
  readonly fqdn: Pick<FqdnRules, "figures" | "neverSeen">;
  readonly audit: () => AuditFigures;
  readonly rejected: () => PacketInFigures;
}

export interface AgentMetrics {
  /** Counts a batch of flow changes. */
  onFlowOperations(operations: FlowOperations): void;
  /** Tells of the running agent from now on; before, there are counters only. */
  watch(state: AgentState): void;
  /** In Prometheus's text format. */
  render(): Promise<string>;
  readonly contentType: string;
}

const operations = ["add", "modify", "delete"] as const;
/** Bounds of a batch's time: one flow takes 0.1 ms, 50 000 some hundred. */
const latencyBuckets = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/** The agent's metrics under antrea's names, those of its features that are built. Every series exists from the start, with 0. */
export function createAgentMetrics(): AgentMetrics {
  const registry = new Registry();
  const registers = [registry];
  addProcessMetrics(registry);
  const flowOperations = new Counter({
    name: "antrea_agent_ovs_flow_ops_count",
    help: "OpenFlow flow operations, by kind.",
    labelNames: ["operation"],
    registers,
  });
  const flowErrors = new Counter({
    name: "antrea_agent_ovs_flow_ops_error_count",
    help: "OpenFlow flow operations that the switch refused, by kind.",
    labelNames: ["operation"],
    registers,
  });
  const latency = new Histogram({
    name: "antrea_agent_ovs_flow_ops_latency_milliseconds",
    help: "Time from sending a batch of flow operations until the switch acknowledged it.",
    labelNames: ["operation"],
    buckets: latencyBuckets,
    registers,
  });
  for (const operation of operations) {
    flowOperations.inc({ operation }, 0);
    flowErrors.inc({ operation }, 0);
    latency.zero({ operation });
  }
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    onFlowOperations({ added, deleted, refused, milliseconds }) {
      if (added > 0) {
        flowOperations.inc({ operation: "add" }, added);
        latency.observe({ operation: "add" }, milliseconds);
      }
      if (deleted > 0) {
        flowOperations.inc({ operation: "delete" }, deleted);
        latency.observe({ operation: "delete" }, milliseconds);
      }
      if (refused > 0) flowErrors.inc({ operation: "add" }, refused);
    },
    watch: (state) => watchState(registry, state),
  };
}

function watchState(registry: Registry, state: AgentState): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  const rules = (direction: "In" | "Out") => (): number =>
    state.networkPolicies().reduce((sum, policy) => sum + policy.rules.filter((rule) => rule.direction === direction).length, 0);
  gauge("antrea_agent_local_pod_count", "Pods on this Node.", state.localPods);
  gauge("antrea_agent_networkpolicy_count", "NetworkPolicies that concern this Node.", () => state.networkPolicies().length);
  gauge("antrea_agent_ingress_networkpolicy_rule_count", "Ingress rules of NetworkPolicies that concern this Node.", rules("In"));
  gauge("antrea_agent_egress_networkpolicy_rule_count", "Egress rules of NetworkPolicies that concern this Node.", rules("Out"));
  gauge(
    "antrea_agent_unrealized_count",
    "Desired flows, groups and parts of the node's network that are not in force because their target refuses them.",
    () => state.flows().refused.length + state.flows().refusedGroups.length + state.failures().size,
  );
  gauge("antrea_agent_fqdn_cache_size", "Names of rules whose addresses are known.", () => state.fqdn.figures().names);
  gauge(
    "antrea_agent_fqdn_never_seen",
    "Names and patterns of rules under which no address was seen for an hour or longer: they may be misspelt.",
    () => state.fqdn.neverSeen().length,
  );
  new Gauge({
    name: "antrea_agent_fqdn_cache_eviction_count",
    help: "Names that wildcards found and that went for want of room, by the limit; address_limit: single addresses of names that have too many.",
    labelNames: ["reason"],
    registers,
    collect() {
      const { evicted, addressesDropped } = state.fqdn.figures();
      for (const [reason, count] of Object.entries({ ...evicted, address_limit: addressesDropped })) this.set({ reason }, count);
    },
  });
  new Gauge({
    name: "antrea_agent_dns_answers_total",
    help: "Answers of DNS to pods under rules with names, by what became of them.",
    labelNames: ["outcome"],
    registers,
    collect() {
      const { learned, held, released, dropped, unreadable, untrusted, packets } = state.fqdn.figures();
      const outcomes = { learned, held, released, dropped, unreadable, untrusted, overflowed: packets.overflowed };
      for (const [outcome, count] of Object.entries(outcomes)) this.set({ outcome }, count);
    },
  });
  new Gauge({
    name: "antrea_agent_audit_log_lines_total",
    help: "Lines of the audit log of policies: written, and events that were lost in the agent (those that the meter or the queue of the switch lost are counted by Open vSwitch).",
    labelNames: ["outcome"],
    registers,
    collect() {
      const { lines, lost } = state.audit();
      for (const [outcome, count] of Object.entries({ written: lines, lost })) this.set({ outcome }, count);
    },
  });
  new Gauge({
    name: "antrea_agent_packet_ins_total",
    help: "Packets that the switch handed to the agent, by what for and what became of them.",
    labelNames: ["category", "outcome"],
    registers,
    collect() {
      const categories = { reject: state.rejected(), auditLog: state.audit().packets, dns: state.fqdn.figures().packets };
      for (const [category, { handled, overflowed, overAllowance, failed }] of Object.entries(categories))
        for (const [outcome, count] of Object.entries({ handled, overflowed, over_allowance: overAllowance, failed }))
          this.set({ category, outcome }, count);
    },
  });
  // A switch that does not answer has no flows to tell of.
  const counts = (): Promise<ReadonlyMap<number, number>> => state.flowCounts().catch(() => new Map<number, number>());
  new Gauge({
    name: "antrea_agent_ovs_total_flow_count",
    help: "OpenFlow flows of all tables.",
    registers,
    async collect() {
      this.set([...(await counts()).values()].reduce((sum, count) => sum + count, 0));
    },
  });
  new Gauge({
    name: "antrea_agent_ovs_flow_count",
    help: "OpenFlow flows, by table.",
    labelNames: ["table_id", "table_name"],
    registers,
    async collect() {
      const byTable = await counts();
      for (const [number, name] of state.tableNames) this.set({ table_id: String(number), table_name: name }, byTable.get(number) ?? 0);
    },
  });
  new Gauge({
    name: "antrea_agent_drift_repairs_total",
    help: "What somebody else changed and the agent put right, by target and how it was found.",
    labelNames: ["target", "finding"],
    registers,
    collect() {
      for (const { target, finding, count } of state.drift.counts()) this.set({ target, finding }, count);
    },
  });
}
