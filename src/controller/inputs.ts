import type { ComputedRevisions } from "#core/api/controlplane/index.ts";
import { createFreshness, type Freshness } from "./freshness.ts";
import type { PolicySource } from "./policy-sources.ts";
import {
  finish,
  type PolicyChanges,
  type PolicyEngine,
  type PolicyObjectKinds,
  type PolicyObjects,
  type PolicyTrouble,
  type Steps,
} from "#core/policy/index.ts";
import type { KubeObject, Namespace, NetworkPolicy, Pod, Reflection } from "#lib/kube/index.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { Change } from "#lib/table/table.ts";

/** Longest stretch of computing before sockets are served: heartbeats of agents and probes of the kubelet hold. */
const sliceLength = milliseconds(50);

export interface PolicyInputsOptions {
  readonly runtime: Runtime;
  readonly objects: PolicyObjects;
  readonly namespaces: Reflection<Namespace>;
  readonly pods: Reflection<Pod>;
  readonly policies: Reflection<NetworkPolicy>;
  /** Every other kind that policies depend on. */
  readonly others?: readonly PolicySource[];
  /** Hears the net difference of each turn, and the nodes whose pods were looked at in it. Nothing is told before the first full state. */
  readonly publish: (changes: PolicyChanges, nodes: ReadonlySet<string>) => void;
}

/** The way from the API's collections into the engine: everything passes through one queue, in the order it was heard. */
export interface PolicyInputs {
  readonly engine: PolicyEngine;
  /** Changes that were heard of and not yet computed. */
  readonly waiting: number;
  /** Whether anything is being computed, or waits for that. */
  readonly isComputing: boolean;
  /** How far things are computed and published. */
  readonly computed: ComputedRevisions;
  /** Whether {@link PolicyInputs.computed} has the version of everything that was published: that of a deletion follows in a step of its own. */
  readonly isVersioned: boolean;
  /** True when the first full state of all inputs is computed. */
  readonly synced: boolean;
  whenSynced(): Promise<void>;
  /** Publishes what is computed already but not told yet, so that a reader sees exactly what the watchers have been told. */
  settle(): void;
  /** What is wrong with policies that got past validation, by `kind namespace/name`. */
  readonly problems: ReadonlyMap<string, PolicyTrouble>;
  /** Large policies with the number of their parts, by the same. */
  readonly largePolicies: ReadonlyMap<string, number>;
}

export function createPolicyInputs({
  runtime,
  objects,
  namespaces,
  pods,
  policies,
  others = [],
  publish,
}: PolicyInputsOptions): PolicyInputs {
  const logger = runtime.logger.with({ component: "policy-inputs" });
  const queue: (() => void)[] = [];
  let taken = 0;
  let scheduled = false;
  let fullyListed = false;
  let synced = false;
  let waiters: (() => void)[] = [];
  const touchedNodes = new Set<string>();
  /** Nodes whose pods changed since it was told last how far pods are computed: a turn may end between the one and the other. */
  const unmarkedNodes = new Set<string>();
  const { engine, troubles, largePolicies } = objects;
  const told = new Map<string, string>();
  const toldLarge = new Set<string>();
  const freshness: Freshness = createFreshness({
    clock: runtime.clock,
    // Kinds that may not be installed say nothing of the API; these three are always there.
    problem: () => [namespaces, pods, policies].find((table) => table.problem !== undefined)?.problem,
  });

  /** Each once, when it comes or becomes another. */
  const tellTroubles = (): void => {
    for (const policy of [...told.keys()]) if (!troubles.has(policy)) told.delete(policy);
    for (const [policy, { problems }] of troubles) {
      const text = problems.join("; ");
      if (told.get(policy) === text) continue;
      told.set(policy, text);
      logger.warn("a policy cannot be used as it is", { policy, problems });
    }
  };
  const tellLarge = (): void => {
    for (const policy of toldLarge) if (!largePolicies.has(policy)) toldLarge.delete(policy);
    for (const [policy, parts] of largePolicies) {
      if (toldLarge.has(policy)) continue;
      toldLarge.add(policy);
      logger.info("a policy is large", { policy, parts });
    }
  };
  const revisions = (): ComputedRevisions => freshness.revisions(namespaces.get("kube-system")?.metadata.uid ?? "");
  /** What is being published, and how far things were computed before it. */
  let flushing: { readonly steps: Steps<PolicyChanges>; readonly since: ComputedRevisions; readonly complete: boolean } | undefined;
  const publishAll = (changes: PolicyChanges): void => {
    const complete = flushing?.complete === true;
    flushing = undefined;
    tellTroubles();
    tellLarge();
    const nodes = new Set(touchedNodes);
    touchedNodes.clear();
    if (complete) synced = true;
    publish(changes, nodes);
    if (!complete) return;
    const ready = waiters;
    waiters = [];
    for (const resolve of ready) resolve();
  };
  const settle = (): void => publishAll(finish(flushing?.steps ?? objects.flushInSteps()));
  /** Goes on with what is being published until `end`. */
  const flushUntil = (end: number): void => {
    while (flushing !== undefined) {
      const { done, value } = flushing.steps.next();
      if (done) publishAll(value);
      else if (runtime.clock.monotonic() >= end) return;
    }
  };
  const turn = (): void => {
    scheduled = false;
    const end = runtime.clock.monotonic() + sliceLength;
    if (flushing === undefined) {
      const since = revisions();
      for (let next = queue[taken]; next !== undefined && runtime.clock.monotonic() < end; next = queue[taken]) {
        taken++;
        next();
      }
      const drained = taken === queue.length;
      if (drained) {
        queue.length = 0;
        taken = 0;
      }
      const complete = drained && fullyListed && !synced;
      if (synced || complete) flushing = { steps: objects.flushInSteps(), since, complete };
    }
    flushUntil(end);
    if (flushing !== undefined || queue.length > 0) schedule();
  };
  // After the sockets that are readable now: what they delivered together is computed and told together.
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    runtime.clock.soon(turn);
  };
  const enqueue = (step: () => void): void => {
    queue.push(step);
    schedule();
  };
  const follow = <Kind extends KubeObject>(input: string, table: Reflection<Kind>, apply: (change: Change<Kind>) => void): void => {
    table.subscribe(
      (change) =>
        enqueue(() => {
          freshness.changed(input, change);
          apply(change);
        }),
      { replay: true },
    );
    const reached = (version: string): void => {
      freshness.reached(input, version);
      if (input !== "pods") return;
      for (const node of unmarkedNodes) touchedNodes.add(node);
      unmarkedNodes.clear();
    };
    table.onProgress((version) => enqueue(() => reached(version)));
    const { resourceVersion } = table;
    if (resourceVersion !== undefined) enqueue(() => reached(resourceVersion));
  };

  follow("namespaces", namespaces, ({ key, after }) => objects.apply("Namespace", key, after));
  follow("pods", pods, ({ key, before, after }) => {
    for (const node of [before?.spec.nodeName, after?.spec.nodeName]) {
      if (!node) continue;
      touchedNodes.add(node);
      unmarkedNodes.add(node);
    }
    objects.apply("Pod", key, after);
  });
  follow("networkpolicies", policies, ({ key, after }) => objects.apply("K8sNetworkPolicy", key, after));
  for (const { kind, table } of others)
    follow(kind, table, ({ key, after }) => objects.apply(kind, key, after as PolicyObjectKinds[typeof kind] | undefined));
  void Promise.all([
    namespaces.whenSynced(),
    pods.whenSynced(),
    policies.whenSynced(),
    ...others.map(({ table }) => table.whenSynced()),
  ]).then(() => {
    fullyListed = true;
    schedule();
  });

  return {
    engine,
    problems: troubles,
    largePolicies,
    get waiting() {
      return queue.length - taken;
    },
    get isComputing() {
      return flushing !== undefined || queue.length > taken;
    },
    settle,
    get synced() {
      return synced;
    },
    get computed() {
      return flushing?.since ?? revisions();
    },
    get isVersioned() {
      return freshness.isWhole;
    },
    whenSynced: () => (synced ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
  };
}
