import type { PolicyCompiler, PolicyProblem } from "#core/pipeline/policy/index.ts";
import type { Logger } from "#lib/runtime/index.ts";
import type { FlowStatus } from "./reconciler.ts";

/** What of policies is not enforced as written: what cannot be compiled, and flows that the switch refused. */
export interface PolicyFailures {
  /** The reason of each, by the policy's UID. */
  byPolicy(): ReadonlyMap<string, string>;
  /** Logs the compiler's problems that were not there before. */
  tell(): void;
  /** Closes pods to new connections for which the switch did not take flows that deny. */
  closeForRefused(): void;
}

export function createPolicyFailures(options: {
  readonly compiler: Pick<PolicyCompiler, "problems" | "policiesLacking" | "refused">;
  readonly refused: () => FlowStatus["refused"];
  readonly logger: Logger;
}): PolicyFailures {
  const { compiler, refused, logger } = options;
  let told: readonly PolicyProblem[] = [];
  /** In the switch's words, by policy. */
  const refusals = (): Iterable<readonly [policy: string, reason: string]> => {
    const found = new Map<string, string>();
    for (const [reason, flows = []] of Object.entries(Object.groupBy(refused(), (each) => each.reason)))
      for (const policy of compiler.policiesLacking(flows.map(({ flow }) => flow)))
        found.set(policy, `the switch refuses a flow: ${reason}`);
    return found;
  };
  return {
    byPolicy: () => new Map([...compiler.problems().map(({ policy, reason }) => [policy, reason] as const), ...refusals()]),
    tell() {
      const now = compiler.problems();
      if (now === told) return;
      const before = new Set(told.map(({ reason }) => reason));
      for (const reason of new Set(now.map((problem) => problem.reason)))
        if (!before.has(reason)) logger.warn("a policy is not enforced as written", { reason });
      told = now;
    },
    closeForRefused() {
      const flows = refused();
      const closed = compiler.refused(flows.map(({ flow }) => flow));
      if (closed.length === 0) return;
      logger.error("pods are closed to new connections: the switch does not take flows that deny", {
        ports: closed.slice(0, closedToldAtMost),
        count: closed.length,
        reason: flows[0]?.reason,
      });
    },
  };
}

/** Interfaces that one line of the log names. */
const closedToldAtMost = 10;
