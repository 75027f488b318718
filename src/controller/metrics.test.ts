import assert from "node:assert/strict";
import { ServerResponse } from "node:http";
import { test } from "node:test";
import { createControllerMetrics } from "./metrics.ts";

async function lines(metrics: ReturnType<typeof createControllerMetrics>): Promise<readonly string[]> {
  const request = { method: "GET" };
  const response = new ServerResponse(request as never);
  let text = "";
  response.end = ((body: Uint8Array) => {
    text = Buffer.from(body).toString("utf8");
  }) as never;
  await metrics.serve({ response, warnings: [] } as never);
  return text.split("\n");
}

test("every series is there from the start; counts follow", async () => {
  const metrics = createControllerMetrics();
  const largePolicies = new Map<string, number>();
  metrics.watch({
    waiting: () => 7,
    waitingReports: () => 3,
    connectedAgents: () => 2,
    troubledPolicies: () => 1,
    largePolicies: () => largePolicies,
  });
  const first = await lines(metrics);
  for (const thing of ["applied_to_group", "address_group", "network_policy"]) {
    for (const line of [
      `antrea_controller_${thing}_processed 0`,
      `antrea_controller_${thing}_sync_duration_milliseconds_count 0`,
      `antrea_controller_length_${thing}_queue 7`,
    ])
      assert.ok(first.includes(line), line);
  }
  for (const line of [
    "antrea_controller_acnp_status_updates 0",
    "antrea_controller_connected_agents 2",
    "antrea_controller_waiting_reports 3",
    "antrea_controller_troubled_policies 1",
    "antrea_controller_large_policies 0",
    "antrea_controller_largest_policy_parts 0",
  ])
    assert.ok(first.includes(line), line);

  metrics.onComputed({ policies: [{}, {}], addressGroups: [{}], appliedToGroups: [] } as never, 3);
  metrics.onStatusWritten("AntreaNetworkPolicy");
  metrics.onStatusWritten("Group");
  largePolicies.set("K8sNetworkPolicy x/a", 1_200).set("K8sNetworkPolicy x/b", 30_000);
  const then = await lines(metrics);
  for (const line of [
    "antrea_controller_network_policy_processed 2",
    "antrea_controller_network_policy_sync_duration_milliseconds_count 1",
    "antrea_controller_address_group_processed 1",
    "antrea_controller_applied_to_group_sync_duration_milliseconds_count 0",
    "antrea_controller_annp_status_updates 1",
    "antrea_controller_acnp_status_updates 0",
    "antrea_controller_large_policies 2",
    "antrea_controller_largest_policy_parts 30000",
  ])
    assert.ok(then.includes(line), line);
});
