import {
  controlplaneApiVersion,
  controlplaneGroup,
  controlplaneKinds,
  controlplaneVersion,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import { createWorkqueue, isNotFound, type KubeClient, type KubeObject, type Resource } from "#lib/kube/index.ts";
import { errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { createProofRounds, type Proof } from "./proof-rounds.ts";

/** Tells the controller which generation of a policy this node enforces, for the policy's status: after it was read back from the switch. */
export interface RealizationReports {
  /** A policy is handed to the compiler; it is told of once it is proven. */
  set(policy: NetworkPolicy): void;
  remove(name: string): void;
  /** All that was handed over before is in the switch, but for what `failures` says, by UID. */
  inForce(failures: () => ReadonlyMap<string, string>): void;
  /** Tells everything once more: another controller may be at the other end. `kubernetes`: one that hears of Kubernetes policies, too. */
  tellAgain(controller: { readonly kubernetes: boolean }): void;
}

interface Report {
  readonly generation: number;
  /** Undefined: it is enforced as written. */
  readonly failure: string | undefined;
  /** The rows are right, and what the switch has cached is not known. */
  readonly doubt: string | undefined;
}

/** Bytes of a text that are told. */
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
  /** Looks whether the switch does what it was told up to now. */
  readonly prove: () => Promise<Proof>;
  readonly signal: AbortSignal;
}): RealizationReports {
  const { runtime, clients, node, prove, signal } = options;
  const known = new Map<string, NetworkPolicy>();
  const reports = new Map<string, Report>();
  const told = new Map<string, Report>();
  const changed = new Set<string>();
  const failing = new Set<string>();
  let tellsKubernetes = false;

  const work = async (name: string): Promise<void> => {
    const report = reports.get(name);
    if (report === undefined || told.get(name) === report) return;
    if (known.get(name)?.sourceRef.type === "K8sNetworkPolicy" && !tellsKubernetes) return;
    const { generation, failure, doubt } = report;
    const status = {
      apiVersion: controlplaneApiVersion,
      kind: "NetworkPolicyStatus",
      metadata: { name },
      nodes: [
        {
          nodeName: node,
          generation,
          ...(failure !== undefined && { realizationFailure: true, message: failure.slice(0, longestMessage) }),
          ...(failure === undefined && { proven: doubt === undefined }),
          ...(failure === undefined && doubt !== undefined && { message: doubt.slice(0, longestMessage) }),
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

  const report = (name: string, now: Report): void => {
    const before = reports.get(name);
    if (before?.generation === now.generation && before.failure === now.failure && before.doubt === now.doubt) return;
    reports.set(name, now);
    queue.add(name);
  };
  const rounds = createProofRounds({
    runtime,
    prove,
    proven(policy, doubt) {
      const { name, generation } = policy;
      // What was proven is not what is there by now.
      if (known.get(name) === policy && !failing.has(name)) report(name, { generation, failure: undefined, doubt });
    },
    signal,
  });

  return {
    set(policy) {
      known.set(policy.name, policy);
      changed.add(policy.name);
    },
    remove(name) {
      for (const each of [known, reports, told]) each.delete(name);
      changed.delete(name);
      failing.delete(name);
      rounds.forget(name);
    },
    inForce(failures) {
      if (known.size === 0) return;
      const now = failures();
      for (const name of new Set([...changed, ...failing, ...now.keys()])) {
        const policy = known.get(name);
        if (policy === undefined) continue;
        const failure = now.get(name);
        const failed = failing.delete(name);
        if (failure === undefined) {
          if (failed || changed.has(name)) rounds.add(policy);
          continue;
        }
        failing.add(name);
        rounds.forget(name);
        report(name, { generation: policy.generation, failure, doubt: undefined });
      }
      changed.clear();
    },
    tellAgain({ kubernetes }) {
      tellsKubernetes = kubernetes;
      told.clear();
      for (const name of reports.keys()) queue.add(name);
    },
  };
}
