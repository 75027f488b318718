import { type NetworkPolicy, policyRevision } from "#core/api/controlplane/index.ts";
import { createWorkqueue, type KubeClient } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import { createProofRounds, type Proof } from "./proof-rounds.ts";
import { mostInOneRequest, type Report, tellControllers } from "./tell-controllers.ts";

/** Tells the controller which generation of a policy this node enforces, for the policy's status: after it was read back from the switch. */
export interface RealizationReports {
  /** A policy is handed to the compiler; it is told of once it is proven. */
  set(policy: NetworkPolicy): void;
  remove(name: string): void;
  /** All that was handed over before is in the switch, but for what `failures` says, by UID. */
  inForce(failures: () => ReadonlyMap<string, string>): void;
  /**
   * Tells everything once more: another controller may be at the other end. `ours`: one that takes many reports in one request, and those of Kubernetes
   * policies.
   */
  tellAgain(controller: { readonly ours: boolean }): void;
}

/** The queue's key for all that is told together. */
const everything = "";
/** Few at once: status never delays what is enforced. */
const concurrency = 2;

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
  const changed = new Set<string>();
  const failing = new Set<string>();
  /** To be told. */
  const due = new Set<string>();
  /** The one that is followed is of our kind: it takes many reports in one request, and those of Kubernetes policies. */
  let isOurs = false;

  const tell = async (names: readonly string[]): Promise<void> => {
    const telling = new Map<string, Report>();
    for (const name of names) {
      const report = reports.get(name);
      const isForOurs = known.get(name)?.sourceRef.type === "K8sNetworkPolicy";
      if (report !== undefined && (isOurs || !isForOurs)) telling.set(name, report);
    }
    if (telling.size > 0) await tellControllers({ runtime, controllers: clients(), node, reports: telling, together: isOurs, signal });
    // What became another meanwhile is due again.
    for (const name of names) if (reports.get(name) === telling.get(name)) due.delete(name);
  };
  const work = async (key: string): Promise<void> => {
    if (key !== everything) return due.has(key) ? tell([key]) : undefined;
    // What is due at the same time goes together.
    await Promise.resolve();
    while (due.size > 0 && isOurs) await tell([...due].slice(0, mostInOneRequest));
  };
  const queue = createWorkqueue({ runtime, name: "realization", signal, concurrency, work });
  const tellSoon = (name: string): void => {
    due.add(name);
    queue.add(isOurs ? everything : name);
  };

  const report = (name: string, now: Report): void => {
    const before = reports.get(name);
    if (before?.revision === now.revision && before.failure === now.failure && before.doubt === now.doubt) return;
    reports.set(name, now);
    tellSoon(name);
  };
  const rounds = createProofRounds({
    runtime,
    prove,
    proven(policy, doubt) {
      const { name, generation } = policy;
      const revision = policyRevision(policy);
      // What was proven is not what is there by now.
      if (known.get(name) === policy && !failing.has(name)) report(name, { generation, revision, failure: undefined, doubt });
    },
    signal,
  });

  return {
    set(policy) {
      known.set(policy.name, policy);
      changed.add(policy.name);
    },
    remove(name) {
      for (const each of [known, reports, changed, failing, due]) each.delete(name);
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
        report(name, { generation: policy.generation, revision: policyRevision(policy), failure, doubt: undefined });
      }
      changed.clear();
    },
    tellAgain({ ours }) {
      isOurs = ours;
      for (const name of reports.keys()) tellSoon(name);
    },
  };
}
