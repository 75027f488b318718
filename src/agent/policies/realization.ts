import {
  type ComputedRevisions,
  encodeComputedRevisions,
  hasPartOnly,
  type NetworkPolicy,
  policyRevision,
  type Session,
} from "#core/api/controlplane/index.ts";
import { createWorkqueue, type KubeClient } from "#lib/kube/index.ts";
import { type Duration, milliseconds, type Runtime } from "#lib/runtime/index.ts";
import { nameSuffix } from "#lib/runtime/random.ts";
import { createProofRounds, type Proof } from "./proof-rounds.ts";
import { mostInOneRequest, type Report, tellControllers } from "./tell-controllers.ts";

/** Tells the controller which generation of a policy this node enforces, for the policy's status: after it was read back from the switch. */
export interface RealizationReports {
  /** A policy is handed to the compiler; it is told of once it is proven. */
  set(policy: NetworkPolicy): void;
  remove(name: string): void;
  /** Members of groups are handed to the compiler; the controller is told how far that goes once it is proven. */
  membersChanged(): void;
  /**
   * All that was handed over before is in the switch, but for what `failures` says, by UID. `computed`: what of the cluster that contains; undefined where it is not
   * known, or not all of it could be handed over.
   */
  inForce(failures: () => ReadonlyMap<string, string>, computed?: ComputedRevisions): void;
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
  /** From one report of members alone to the next, at least. */
  readonly membersEvery: () => Duration;
  readonly signal: AbortSignal;
}): RealizationReports {
  const { runtime, clients, node, prove, membersEvery, signal } = options;
  const known = new Map<string, NetworkPolicy>();
  const reports = new Map<string, Report>();
  const changed = new Set<string>();
  const failing = new Set<string>();
  /** To be told. */
  const due = new Set<string>();
  /** The one that is followed is of our kind: it takes many reports in one request, and those of Kubernetes policies. */
  let isOurs = false;
  let membersChanged = false;
  /** All of it that is proven, and whether the controllers are to hear of it. */
  let computed: string | undefined;
  let computedDue = false;
  /** Who is there now may never have heard of it, or wait for what it has that others told before. */
  let computedOwed = false;
  /** It lacks changes of which it has a part already, as a stream that did not keep up was not waited for: that they are whole is news. */
  let isPart = false;
  let computedTold = Number.NEGATIVE_INFINITY;
  let session: Session = { start: Math.floor(runtime.clock.wall()), id: nameSuffix(runtime.random, 8) };
  let sequence = 0;

  const tell = async (names: readonly string[]): Promise<void> => {
    const telling = new Map<string, Report>();
    for (const name of names) {
      const report = reports.get(name);
      const isForOurs = known.get(name)?.sourceRef.type === "K8sNetworkPolicy";
      if (report !== undefined && (isOurs || !isForOurs)) telling.set(name, report);
    }
    const toldComputed = computed;
    const alone = isOurs && computedDue;
    if (telling.size > 0 || alone)
      await tellControllers({
        runtime,
        controllers: clients(),
        node,
        reports: telling,
        together: isOurs,
        computed: toldComputed,
        told: { session, sequence: ++sequence },
        heardLater(start) {
          session = { ...session, start: Math.max(session.start, start + 1) };
        },
        signal,
      });
    if (isOurs && computed === toldComputed) computedDue = false;
    computedTold = runtime.clock.monotonic();
    // What became another meanwhile is due again.
    for (const name of names) if (reports.get(name) === telling.get(name)) due.delete(name);
  };
  const work = async (key: string): Promise<void> => {
    if (key !== everything) return due.has(key) ? tell([key]) : undefined;
    // What is due at the same time goes together.
    await Promise.resolve();
    while ((due.size > 0 || computedDue) && isOurs) await tell([...due].slice(0, mostInOneRequest));
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
    provenAll(contained, { isNew }) {
      const text = encodeComputedRevisions(contained);
      if (text === computed) return;
      computed = text;
      const isWholeNow = isPart;
      isPart = hasPartOnly(contained);
      // To one replica it is no news that nothing changed. Another may have counted more to what did.
      if (!isNew && !isWholeNow && !computedOwed && clients().length < 2) return;
      computedOwed = false;
      computedDue = true;
      if (!isOurs) return;
      if (isNew) queue.add(everything);
      else queue.addAfter(everything, milliseconds(Math.max(0, computedTold + membersEvery() - runtime.clock.monotonic())));
    },
    membersEvery,
    signal,
  });

  return {
    membersChanged() {
      membersChanged = true;
    },
    set(policy) {
      known.set(policy.name, policy);
      changed.add(policy.name);
    },
    remove(name) {
      for (const each of [known, reports, changed, failing, due]) each.delete(name);
      rounds.forget(name);
    },
    inForce(failures, contained) {
      if (known.size === 0) return;
      if (contained !== undefined) {
        rounds.contains(contained, { changed: membersChanged });
        membersChanged = false;
      }
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
      computedOwed = true;
      if (computed !== undefined) {
        computedDue = true;
        queue.add(everything);
      }
      for (const name of reports.keys()) tellSoon(name);
    },
  };
}
