import {
  type ComputedRevisions,
  controlplaneResources,
  type Group,
  isResourceVersion,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import type { Pod } from "#lib/kube/index.ts";
import { type Duration, milliseconds, type Runtime, seconds, sleep, type Timer } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { ControllerReplicas } from "../controllers/replicas.ts";
import { createPolicyAssembly, type PolicyTarget } from "./assembly.ts";
import { followBestController } from "./best-controller.ts";
import { OutdatedController } from "./errors.ts";
import type { ControllerEvent } from "./events.ts";
import { heldAtMost } from "./join-changes.ts";
import { createProgress } from "./progress.ts";
import { ProvisionalMembers } from "./provisional-members.ts";
import type { EventHandler, Session } from "./session.ts";
import type { PolicySnapshot } from "./snapshot.ts";

/** The policies of this node, as far as a controller or the snapshot on disk has told them. */
export interface FollowedPolicies {
  /** True once there is something to enforce: a snapshot, or the first complete set of a controller. */
  readonly ready: boolean;
  whenReady(signal?: AbortSignal): Promise<void>;
  /**
   * Resolves when the policies of a pod are known as they are at `resourceVersion` of the pod or later; where no controller is followed for
   * {@link awayAfter}, those of a pod that no selector can tell from it (`provisional-members.ts`). A controller that does not say how far
   * it has computed is given {@link unannouncedWait} to name the pod in a group. Rejects with the signal's reason only.
   */
  whenComputed(pod: PodAtRevision): Promise<void>;
  networkPolicies(): NetworkPolicy[];
  addressGroups(): readonly Group[];
  appliedToGroups(): readonly Group[];
  /** How much of the cluster is contained in what is known, where a controller said so. */
  computed(): ComputedRevisions | undefined;
  /** Whether all that {@link FollowedPolicies.computed} contains was handed to the target: no policy waits for a group. */
  readonly isWhole: boolean;
  /** How often the controller that is followed says that it is there; undefined where it does not. */
  heartbeat(): Duration | undefined;
  /** Why no controller is followed right now; undefined when one is. */
  problem(): string | undefined;
  /** Which controller is followed. */
  controller(): string | undefined;
}

export interface PodAtRevision {
  readonly namespace: string;
  readonly name: string;
  /** The pod's resourceVersion, where it is known. */
  readonly resourceVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FollowOptions {
  readonly runtime: Runtime;
  /** Where controlplane.antrea.io is served. */
  readonly replicas: ControllerReplicas;
  readonly node: string;
  readonly target: PolicyTarget;
  readonly snapshot: PolicySnapshot | undefined;
  /** Pods of this node, by which new ones get policies while no controller tells them. Absent: they wait for one. */
  readonly pods?: ReadTable<Pod>;
  /** Called after events were handed to the target, in the same turn. */
  readonly changed: () => void;
  /** Called instead where nothing else was told than how much of the cluster is contained in what was handed over before. */
  readonly contained: () => void;
  /** Called when a controller has told all that there is: at the start, and each time that another is followed, or the same one anew. */
  readonly listed?: (controller: { readonly ours: boolean }) => void;
  readonly signal: AbortSignal;
}

/** How long a controller that gives no progress has to name a new pod. Its own delays are of the order of 10 ms. */
export const unannouncedWait = milliseconds(500);
/** A controller that computes a pod no sooner than this has fallen behind, or its cluster's API has. */
const computedWithin = seconds(1);
/** Who loses a controller follows another one sooner than this, if there is any. */
export const awayAfter = seconds(2);
/** A controller behind what is enforced is refused for this long; after that it is believed (the cluster may have been restored from a backup). */
const outdatedFor = seconds(60);

/** Follows the controller's three resources into `target`, beginning with the snapshot. */
export function followPolicies(options: FollowOptions): FollowedPolicies {
  const { runtime, replicas, node, target, snapshot, changed, contained, signal } = options;
  const assembly = createPolicyAssembly(target);
  const progress = createProgress(snapshot?.computed);
  const listeners = new Set<() => void>();
  const provisional =
    options.pods &&
    new ProvisionalMembers({ pods: options.pods, appliedToGroups: () => assembly.appliedToGroups.groups(), computed: progress.enforced });
  let refusedSince: number | undefined;
  let ready = false;
  let settling: Timer | undefined;
  let current: Session | undefined;

  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const until = (condition: () => boolean, giveUp?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (giveUp?.aborted) finish(() => reject(giveUp.reason));
        else if (condition()) finish(resolve);
      };
      const finish = (end: () => void): void => {
        listeners.delete(check);
        giveUp?.removeEventListener("abort", check);
        end();
      };
      listeners.add(check);
      giveUp?.addEventListener("abort", check, { once: true });
      check();
    });
  /** The same, of a condition that hears whether `time` is over. */
  const untilOrLate = async (time: Duration, condition: (isLate: boolean) => boolean, giveUp?: AbortSignal): Promise<void> => {
    const state = { late: false };
    const enough = new AbortController();
    void sleep(runtime.clock, time, enough.signal).then(
      () => {
        state.late = true;
        tell();
      },
      () => {},
    );
    await until(() => condition(state.late), giveUp).finally(() => enough.abort());
  };
  const listed = (group: Group): Group => provisional?.listed(group) ?? group;
  const apply = (event: ControllerEvent): void => {
    switch (event.type) {
      case "policy":
        assembly.setPolicy(event.policy);
        break;
      case "group":
        assembly[groupsOf[event.resource]].set(event.resource === "appliedtogroups" ? listed(event.group) : event.group);
        break;
      case "patch":
        assembly[groupsOf[event.resource]].patch(
          event.resource === "appliedtogroups" ? (provisional?.changed(event.patch) ?? event.patch) : event.patch,
        );
        break;
      case "removed":
        if (event.resource === "networkpolicies") assembly.removePolicy(event.name);
        else assembly[groupsOf[event.resource]].remove(event.name);
        break;
      case "progress":
        progress.reached(event.resource, event.computed);
    }
  };
  /** A controller that does not say what belongs together may be in the middle of a change. */
  const settleLater = (): void => {
    settling ??= runtime.clock.after(heldAtMost, settle, { background: true });
  };
  const settle = (): void => {
    settling?.cancel();
    settling = undefined;
    const over = provisional?.settle(progress.hasPods) ?? [];
    for (const patch of over) assembly.appliedToGroups.patch(patch);
    if (!assembly.settle() && over.length === 0) return;
    changed();
    tell();
  };
  const applyTogether: EventHandler = (events, { whole }) => {
    const before = progress.enforced();
    for (const event of events) apply(event);
    if (whole) settle();
    else if (assembly.isLoose || provisional?.isWaiting) settleLater();
    if (events.some(({ type }) => type !== "progress")) changed();
    else if (progress.enforced() !== before) contained();
    tell();
  };

  if (snapshot !== undefined) {
    assembly.replace(snapshot);
    assembly.settle();
    ready = true;
    changed();
  }
  const controller = followBestController({
    runtime,
    replicas,
    node,
    signal,
    judge(offer) {
      const lack = progress.lackOf(offer.computed);
      if (lack === undefined || assembly.equals(offer)) {
        refusedSince = undefined;
        return undefined;
      }
      refusedSince ??= runtime.clock.monotonic();
      if (runtime.clock.monotonic() - refusedSince <= outdatedFor) return new OutdatedController(lack);
      progress.forget();
      return undefined;
    },
    adopt(offer, session) {
      current = session;
      progress.lost();
      for (const resource of controlplaneResources) progress.reached(resource, offer.computed[resource]);
      // What it says of the pods that it has computed counts alone; others keep what they got without it.
      provisional?.settle(progress.hasPods);
      assembly.replace({ ...offer, appliedToGroups: offer.appliedToGroups.map(listed) });
      assembly.settle();
      ready = true;
      changed();
      session.deliver(applyTogether);
      tell();
      // One that marks its changes takes reports as ours does.
      options.listed?.({ ours: session.marksChanges });
    },
    lost() {
      progress.lost();
      changed();
      tell();
    },
  });

  /** False when the pod has its policies without a controller. */
  const followedOrAway = async (pod: PodAtRevision): Promise<boolean> => {
    const isFollowed = (): boolean => controller.followed !== undefined;
    if (provisional === undefined) return until(isFollowed, pod.signal).then(() => true);
    const { namespace, name } = pod;
    // A twin may be gone by the time that its groups are asked for: to have none is no answer.
    for (;;) {
      await untilOrLate(awayAfter, (isLate) => isFollowed() || (isLate && provisional.knows(pod)), pod.signal);
      if (isFollowed()) return true;
      const patches = provisional.take(pod);
      if (patches === undefined) continue;
      for (const patch of patches) assembly.appliedToGroups.patch(patch);
      runtime.logger.info("no controller tells the policies of a new pod: it has those of a pod with equal labels", { namespace, name });
      changed();
      return false;
    }
  };
  const names = ({ namespace, name }: PodAtRevision): boolean =>
    assembly.appliedToGroups.groups().some(({ members }) => members.some(({ pod }) => pod?.namespace === namespace && pod.name === name));
  return {
    get ready() {
      return ready;
    },
    whenReady: (giveUp) => until(() => ready, giveUp),
    async whenComputed(pod) {
      if (!(await followedOrAway(pod))) return;
      const { resourceVersion } = pod;
      if (resourceVersion !== undefined && isResourceVersion(resourceVersion) && progress.announced()) {
        const enough = new AbortController();
        const late = sleep(runtime.clock, computedWithin, AbortSignal.any([enough.signal, ...(pod.signal ? [pod.signal] : [])])).then(
          () => controller.suspect(`has not computed pod ${pod.namespace}/${pod.name} at resourceVersion ${resourceVersion}`),
          () => {},
        );
        void late;
        return until(() => progress.hasPods(resourceVersion), pod.signal).finally(() => enough.abort());
      }
      await untilOrLate(unannouncedWait, (isLate) => isLate || names(pod), pod.signal);
    },
    networkPolicies: assembly.policies,
    addressGroups: assembly.addressGroups.groups,
    appliedToGroups: assembly.appliedToGroups.groups,
    computed: progress.enforced,
    get isWhole() {
      return !assembly.isLoose;
    },
    heartbeat: () => current?.heartbeat,
    problem: () => controller.problem,
    controller: () => controller.followed?.name,
  };
}

const groupsOf = { addressgroups: "addressGroups", appliedtogroups: "appliedToGroups" } as const;
