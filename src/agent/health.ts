import type { Health } from "./api/view.ts";
import type { FlowPipeline } from "./flows/index.ts";
import type { HostNetwork } from "./host-network/index.ts";

/** What is up and what is not, in the words of AntreaAgentInfo's conditions. */
export function healthOf(parts: {
  readonly ovsdb: { readonly connected: boolean };
  readonly flows: Pick<FlowPipeline, "policies" | "status" | "policyProblems">;
  readonly hostNetwork: Pick<HostNetwork, "failures">;
}): readonly Health[] {
  const { connected, problem, refused } = parts.flows.status();
  const controllerProblem = Object.values(parts.flows.policies.problems()).find((text) => text !== undefined);
  const troubles = [
    ...[...parts.hostNetwork.failures].map(([part, reason]) => `${part}: ${reason}`),
    ...refused.map(({ reason }) => `a flow was refused: ${reason}`),
    ...parts.flows.policyProblems().map(({ policy, reason }) => `policy ${policy}: ${reason}`),
  ];
  const health = (type: Health["type"], message: string | undefined): Health =>
    message === undefined ? { type, up: true } : { type, up: false, message };
  return [
    health("AgentHealthy", troubles.length === 0 ? undefined : troubles.join("; ")),
    health("ControllerConnectionUp", controllerProblem),
    health("OVSDBConnectionUp", parts.ovsdb.connected ? undefined : "not connected; what is known is kept"),
    health("OpenflowConnectionUp", connected ? undefined : (problem ?? "not connected")),
  ];
}
