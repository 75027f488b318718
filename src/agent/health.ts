import type { Health } from "./api/view.ts";
import type { FqdnRules } from "./fqdn/index.ts";
import type { FlowPipeline } from "./flows/index.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { HostNetwork } from "./host-network/index.ts";

/** As many rows as a condition tells; all are at the agent's path /errors. */
const toldAtMost = 3;
const fewOf = (texts: readonly string[]): string[] =>
  texts.length <= toldAtMost ? [...texts] : [...texts.slice(0, toldAtMost), `and ${texts.length - toldAtMost} more`];

/** What is up and what is not, in the words of AntreaAgentInfo's conditions. */
export function healthOf(parts: {
  readonly ovsdb: { readonly connected: boolean };
  readonly flows: Pick<FlowPipeline, "policies" | "status" | "policyProblems" | "snapshotProblem">;
  readonly hostNetwork: Pick<HostNetwork, "failures" | "refused">;
}): readonly Health[] {
  const { connected, problem, refused, refusedGroups } = parts.flows.status();
  const controllerProblem = parts.flows.policies.problem();
  const snapshot = parts.flows.snapshotProblem();
  const troubles = [
    ...(snapshot === undefined ? [] : [`snapshot of policies: ${snapshot}`]),
    ...[...parts.hostNetwork.failures].map(([part, reason]) => `${part}: ${reason}`),
    ...fewOf(refused.map(({ flow, reason }) => `flow refused: ${reason}: ${formatFlow(flow)}`)),
    ...fewOf(refusedGroups.map(({ group, reason }) => `group ${group} refused: ${reason}`)),
    ...parts.flows.policyProblems().map(({ policy, reason }) => `policy ${policy}: ${reason}`),
  ];
  const health = (type: Health["type"], message: string | undefined): Health =>
    message === undefined ? { type, up: true } : { type, up: false, message };
  return [
    health("AgentHealthy", troubles.length === 0 ? undefined : troubles.join("; ")),
    // Which of several it is, is worth knowing also when all is well.
    controllerProblem === undefined
      ? { type: "ControllerConnectionUp", up: true, message: `follows ${parts.flows.policies.controller() ?? ""}` }
      : health("ControllerConnectionUp", controllerProblem),
    health("OVSDBConnectionUp", parts.ovsdb.connected ? undefined : "not connected; what is known is kept"),
    health("OpenflowConnectionUp", connected ? undefined : (problem ?? "not connected")),
  ];
}

/** A row that is not in force, and why. It is tried again, and blocks no other. */
export interface UnrealizedRow {
  /** What refuses it: `flow`, `group`, `policy`, `name` (of a rule), or a part of the node's network. */
  readonly target: string;
  /** The row in the target's words. */
  readonly row: string;
  readonly reason: string;
}

/** Every row that its target refuses at the moment. */
export function unrealizedRows(
  parts: Pick<Parameters<typeof healthOf>[0], "flows" | "hostNetwork"> & { readonly fqdn: Pick<FqdnRules, "troubles"> },
): readonly UnrealizedRow[] {
  const { refused, refusedGroups } = parts.flows.status();
  const snapshot = parts.flows.snapshotProblem();
  return [
    ...(snapshot === undefined ? [] : [{ target: "disk", row: "policies.snapshot", reason: snapshot }]),
    ...refused.map(({ flow, reason }) => ({ target: "flow", row: formatFlow(flow), reason })),
    ...refusedGroups.map(({ group, reason }) => ({ target: "group", row: `group_id=${group}`, reason })),
    ...parts.flows.policyProblems().map(({ policy, reason }) => ({ target: "policy", row: policy, reason })),
    ...parts.fqdn.troubles().map(({ name, reason }) => ({ target: "name", row: name, reason })),
    ...parts.hostNetwork.refused().map(({ row, reason }) => ({ target: "host network", row, reason })),
  ];
}
