import {
  controlplaneApiVersion,
  controlplaneGroup,
  controlplaneKinds,
  controlplaneVersion,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import { createWorkqueue, isNotFound, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";

/** Tells the controller which generation of a policy this node enforces, for the policy's status. */
export interface RealizationReports {
  /** A policy is handed to the compiler; it is told of once it is in force. */
  set(policy: NetworkPolicy): void;
  remove(name: string): void;
  /** All that was handed over before is in the switch, but for what `failures` says, by UID. */
  inForce(failures: () => ReadonlyMap<string, string>): void;
  /** Tells everything once more: another controller may be at the other end. */
  tellAgain(): void;
}

interface Report {
  readonly generation: number;
  /** Undefined: it is enforced as written. */
  readonly failure: string | undefined;
}

/** Bytes of a failure's text that are told. */
const longestMessage = 512;
/** One that hangs does not hold up what the others are told. */
const answerWithin = seconds(5);
/** Few at once: status never delays what is enforced. */
const concurrency = 2;

const policies: Resource<KubeObject> = {
  group: controlplaneGroup,
  version: controlplaneVersion,
  plural: "networkpolicies",
  kind: controlplaneKinds.networkpolicies.kind,
  namespaced: false,
};

export function reportRealization(options: {
  readonly runtime: Runtime;
  /** Every controller that can be reached: the one that writes status may be another than the one that is followed. */
  readonly clients: () => readonly KubeClient[];
  readonly node: string;
  readonly signal: AbortSignal;
}): RealizationReports {
  const { runtime, clients, node, signal } = options;
  /** Those whose status anybody reads, by name. */
  const known = new Map<string, NetworkPolicy>();
  const reports = new Map<string, Report>();
  const told = new Map<string, Report>();
  const changed = new Set<string>();
  const failing = new Set<string>();

  const work = async (name: string): Promise<void> => {
    const report = reports.get(name);
    if (report === undefined || told.get(name) === report) return;
    const { generation, failure } = report;
    const status = {
      apiVersion: controlplaneApiVersion,
      kind: "NetworkPolicyStatus",
      metadata: { name },
      nodes: [
        {
          nodeName: node,
          generation,
          ...(failure !== undefined && { realizationFailure: true, message: failure.slice(0, longestMessage) }),
        },
      ],
    };
    const tell = async (controller: KubeClient): Promise<void> => {
      try {
        await controller.create(policies, status as KubeObject, { name, subresource: "status" });
      } catch (error) {
        // It went in the meantime, or is not known there yet; else the queue tries again.
        if (!isNotFound(error)) throw error;
        runtime.logger.debug("the controller has no such policy", { policy: name, error: errorMessage(error) });
      }
    };
    const answered = new AbortController();
    const late = sleep(runtime.clock, answerWithin, AbortSignal.any([answered.signal, signal]));
    late.catch(() => {});
    const inTime = (answer: Promise<void>): Promise<void> =>
      Promise.race([answer, late.then(() => Promise.reject(new Error(`no answer within ${answerWithin / 1_000} s`)))]);
    const outcomes = await Promise.allSettled(clients().map((controller) => inTime(tell(controller))));
    answered.abort();
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    told.set(name, report);
  };
  const queue = createWorkqueue({ runtime, name: "realization", signal, concurrency, work });

  return {
    set(policy) {
      if (policy.sourceRef.type === "K8sNetworkPolicy") return;
      known.set(policy.name, policy);
      changed.add(policy.name);
    },
    remove(name) {
      for (const each of [known, reports, told]) each.delete(name);
      changed.delete(name);
      failing.delete(name);
    },
    inForce(failures) {
      if (known.size === 0) return;
      const now = failures();
      for (const name of [...changed, ...failing, ...now.keys()]) {
        const policy = known.get(name);
        if (policy === undefined) continue;
        const before = reports.get(name);
        const report = { generation: policy.generation, failure: now.get(name) };
        if (report.failure === undefined) failing.delete(name);
        else failing.add(name);
        if (before?.generation === report.generation && before.failure === report.failure) continue;
        reports.set(name, report);
        queue.add(name);
      }
      changed.clear();
    },
    tellAgain() {
      told.clear();
      for (const name of reports.keys()) queue.add(name);
    },
  };
}
