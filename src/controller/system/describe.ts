import type { PolicyEngine } from "#core/policy/index.ts";
import { version } from "#lib/daemon/version.ts";
import type { Condition } from "#lib/kube/index.ts";
import type { ControlplaneStores } from "../controlplane/stores.ts";
import type { PolicyInputs } from "../inputs.ts";
import type { ControllerInfo } from "./controller-info.ts";

export interface DescribeOptions {
  readonly engine: PolicyEngine;
  readonly stores: ControlplaneStores;
  readonly inputs: PolicyInputs;
  readonly environment: NodeJS.ProcessEnv;
  readonly namespace: string;
  readonly apiPort: number;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/** The controller about itself, now. Outside a Pod it names none. */
export function describeController(options: DescribeOptions): Omit<ControllerInfo, "metadata"> {
  const { engine, stores, inputs, environment, namespace, apiPort, now } = options;
  const { POD_NAME: pod, NODE_NAME: node } = environment;
  return {
    version,
    ...(pod && { podRef: { kind: "Pod", namespace, name: pod } }),
    ...(node && { nodeRef: { kind: "Node", name: node } }),
    serviceRef: { kind: "Service", namespace, name: "antrea" },
    networkPolicyControllerInfo: {
      networkPolicyNum: count(engine.policies()),
      addressGroupNum: count(engine.addressGroups()),
      appliedToGroupNum: count(engine.appliedToGroups()),
    },
    connectedAgentNum: stores.connectedAgents,
    controllerConditions: [
      condition(
        "ControllerHealthy",
        now,
        inputs.synced ? undefined : { reason: "NotComputed", message: "the Kubernetes API has not been read" },
      ),
      condition(
        "PoliciesUsable",
        now,
        inputs.problems.size === 0 ? undefined : { reason: "UnusableParts", message: shown(inputs.problems) },
      ),
    ],
    apiPort,
  };
}

function condition(type: string, now: number, problem: { readonly reason: string; readonly message: string } | undefined): Condition {
  const lastHeartbeatTime = `${new Date(now).toISOString().slice(0, 19)}Z`;
  return { type, status: problem === undefined ? "True" : "False", lastHeartbeatTime, ...problem };
}

/** As many as a person reads; the log has all. */
const shownProblems = 5;

function shown(troubles: PolicyInputs["problems"]): string {
  const lines = [...troubles].slice(0, shownProblems).map(([policy, { problems }]) => `${policy}: ${problems.join("; ")}`);
  return [...lines, ...(troubles.size > shownProblems ? [`and ${troubles.size - shownProblems} more`] : [])].join(". ");
}

function count(items: IteratorObject<unknown>): number {
  return items.reduce((sum: number) => sum + 1, 0);
}
