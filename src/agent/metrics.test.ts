import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "#lib/runtime/index.ts";
import { createDriftLog } from "./drift.ts";
import { createAgentMetrics } from "./metrics.ts";

const packets = { connected: true, handled: 1, overflowed: 7, overAllowance: 0, failed: 0, waiting: 0 };

test("every series is there from the start; counts follow", async () => {
  const metrics = createAgentMetrics();
  const drift = createDriftLog(silentLogger);
  metrics.watch({
    networkPolicies: () => [],
    localPods: () => 3,
    tableNames: new Map([
      [0, "Classifier"],
      [1, "Output"],
    ]),
    flowCounts: () => Promise.resolve(new Map([[1, 7]])),
    flows: () => ({ refused: [], refusedGroups: [{ group: 5, reason: "OFPGMFC_OUT_OF_GROUPS" }] }),
    failures: () => new Map(),
    drift,
    fqdn: {
      neverSeen: () => ["typo.example"],
      figures: () => ({
        names: 2,
        addresses: 3,
        evicted: { selector_limit: 4, total_limit: 0 },
        addressesDropped: 11,
        learned: 5,
        held: 6,
        released: 0,
        dropped: 1,
        unreadable: 0,
        untrusted: 0,
        asked: 0,
        failed: 0,
        packets,
      }),
    },
    audit: () => ({ lines: 8, lost: 9, unknown: 0, problem: undefined, packets: { ...packets, overAllowance: 2 } }),
    rejected: () => ({ ...packets, handled: 3 }),
  });
  metrics.onFlowOperations({ added: 4, deleted: 0, refused: 1, milliseconds: 3 });
  drift.found({ target: "route", finding: "missing", what: "10.0.0.0/24" });
  const lines = (await metrics.render()).split("\n");
  for (const line of [
    "antrea_agent_local_pod_count 3",
    "antrea_agent_networkpolicy_count 0",
    "antrea_agent_ovs_total_flow_count 7",
    'antrea_agent_ovs_flow_count{table_id="0",table_name="Classifier"} 0',
    'antrea_agent_ovs_flow_count{table_id="1",table_name="Output"} 7',
    'antrea_agent_ovs_flow_ops_count{operation="add"} 4',
    'antrea_agent_ovs_flow_ops_count{operation="modify"} 0',
    'antrea_agent_ovs_flow_ops_error_count{operation="add"} 1',
    'antrea_agent_ovs_flow_ops_latency_milliseconds_count{operation="add"} 1',
    'antrea_agent_ovs_flow_ops_latency_milliseconds_count{operation="delete"} 0',
    "antrea_agent_fqdn_cache_size 2",
    "antrea_agent_fqdn_never_seen 1",
    'antrea_agent_fqdn_cache_eviction_count{reason="selector_limit"} 4',
    'antrea_agent_fqdn_cache_eviction_count{reason="address_limit"} 11',
    'antrea_agent_dns_answers_total{outcome="dropped"} 1',
    'antrea_agent_dns_answers_total{outcome="overflowed"} 7',
    'antrea_agent_audit_log_lines_total{outcome="written"} 8',
    'antrea_agent_audit_log_lines_total{outcome="lost"} 9',
    'antrea_agent_packet_ins_total{category="auditLog",outcome="over_allowance"} 2',
    'antrea_agent_packet_ins_total{category="reject",outcome="handled"} 3',
    "antrea_agent_unrealized_count 1",
    'antrea_agent_drift_repairs_total{target="route",finding="missing"} 1',
    'antrea_agent_drift_repairs_total{target="flow",finding="unknown"} 0',
  ])
    assert.ok(lines.includes(line), line);
});
