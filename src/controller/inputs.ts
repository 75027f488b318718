import type { ComputedRevisions } from "#core/api/controlplane/index.ts";
import { lowerKubernetesPolicy, namespaceRow, type PolicyChanges, type PolicyEngine, podRow } from "#core/policy/index.ts";
import type { KubeObject, Namespace, NetworkPolicy, Pod, Reflection } from "#lib/kube/index.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { Change } from "#lib/table/table.ts";

/** Longest stretch of computing before sockets are served: heartbeats of agents and probes of the kubelet hold. */
const sliceLength = milliseconds(50);

export interface PolicyInputsOptions {
  readonly runtime: Runtime;
  readonly engine: PolicyEngine;
  readonly namespaces: Reflection<Namespace>;
  readonly pods: Reflection<Pod>;
  readonly policies: Reflection<NetworkPolicy>;
  /** Hears the net difference of each turn, and the nodes whose pods were looked at in it. Nothing is told before the first full state. */
  readonly publish: (changes: PolicyChanges, nodes: ReadonlySet<string>) => void;
}

/** The way from the API's collections into the engine: everything passes through one queue, in the order it was heard. */
export interface PolicyInputs {
  readonly engine: PolicyEngine;
  /** How far things are computed and published. */
  readonly computed: ComputedRevisions;
  /** True when the first full state of all inputs is computed. */
  readonly synced: boolean;
  whenSynced(): Promise<void>;
  /** Publishes what is computed already but not told yet, so that a reader sees exactly what the watchers have been told. */
  settle(): void;
  /** What is wrong with policies that got past validation, by `namespace/name`: those parts match nothing. */
  readonly problems: ReadonlyMap<string, readonly string[]>;
}

type Progress = "pods" | "namespaces" | "networkpolicies";

export function createPolicyInputs({ runtime, engine, namespaces, pods, policies, publish }: PolicyInputsOptions): PolicyInputs {
  const logger = runtime.logger.with({ component: "policy-inputs" });
  const queue: (() => void)[] = [];
  let taken = 0;
  let scheduled = false;
  let fullyListed = false;
  let synced = false;
  let waiters: (() => void)[] = [];
  const touchedNodes = new Set<string>();
  const problems = new Map<string, readonly string[]>();
  const reached: Record<Progress, string> = { pods: "", namespaces: "", networkpolicies: "" };

  const settle = (): void => {
    const changes = engine.flush();
    const nodes = new Set(touchedNodes);
    touchedNodes.clear();
    publish(changes, nodes);
  };
  const turn = (): void => {
    scheduled = false;
    const end = runtime.clock.monotonic() + sliceLength;
    for (let next = queue[taken]; next !== undefined && runtime.clock.monotonic() < end; next = queue[taken]) {
      taken++;
      next();
    }
    const drained = taken === queue.length;
    if (drained) {
      queue.length = 0;
      taken = 0;
    } else schedule();
    if (drained && fullyListed && !synced) {
      synced = true;
      settle();
      const ready = waiters;
      waiters = [];
      for (const resolve of ready) resolve();
    } else if (synced) settle();
  };
  // After the sockets that are readable now: what they delivered together is computed and told together.
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(turn);
  };
  const enqueue = (step: () => void): void => {
    queue.push(step);
    schedule();
  };
  const follow = <Kind extends KubeObject>(source: Progress, table: Reflection<Kind>, apply: (change: Change<Kind>) => void): void => {
    table.subscribe((change) => enqueue(() => apply(change)), { replay: true });
    table.onProgress((version) =>
      enqueue(() => {
        reached[source] = version;
      }),
    );
    if (table.resourceVersion !== undefined) reached[source] = table.resourceVersion;
  };

  follow("namespaces", namespaces, ({ key, after }) => {
    if (after === undefined) engine.deleteNamespace(key);
    else engine.upsertNamespace(namespaceRow(after));
  });
  follow("pods", pods, ({ key, before, after }) => {
    for (const node of [before?.spec.nodeName, after?.spec.nodeName]) if (node) touchedNodes.add(node);
    if (after === undefined) engine.deletePod(key);
    else engine.upsertPod(podRow(after));
  });
  follow("networkpolicies", policies, ({ key, before, after }) => {
    const uid = after?.metadata.uid;
    // Deleted, or deleted and made anew while we were not listening.
    if (before !== undefined && before.metadata.uid !== uid) engine.deletePolicy(before.metadata.uid ?? "");
    if (after === undefined) {
      problems.delete(key);
      return;
    }
    const lowered = lowerKubernetesPolicy(after);
    if (lowered.problems.length === 0) problems.delete(key);
    else {
      problems.set(key, lowered.problems);
      logger.warn("parts of a policy cannot be used and match nothing", { policy: key, problems: lowered.problems });
    }
    engine.upsertPolicy(lowered.policy);
  });
  void Promise.all([namespaces.whenSynced(), pods.whenSynced(), policies.whenSynced()]).then(() => {
    fullyListed = true;
    schedule();
  });

  return {
    engine,
    problems,
    settle,
    get synced() {
      return synced;
    },
    get computed() {
      return { cluster: namespaces.get("kube-system")?.metadata.uid ?? "", ...reached };
    },
    whenSynced: () => (synced ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
  };
}
