import {
  type ComputedRevisions,
  type ControlplaneResource,
  controlplaneResources,
  decodeGroup,
  decodeGroupPatch,
  decodeNetworkPolicy,
  type Group,
  type GroupPatch,
  type NetworkPolicy,
} from "#core/api/controlplane/index.ts";
import type { KubeClient } from "#lib/kube/index.ts";
import { milliseconds, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { createPolicyAssembly, type GroupAssembly, type PolicyTarget } from "./assembly.ts";
import { createProgress, isNumber } from "./progress.ts";
import type { PolicySnapshot } from "./snapshot.ts";
import { followStream, type StreamHandler, type StreamState } from "./stream.ts";

/** The policies of this node, as far as a controller or the snapshot on disk has told them. */
export interface FollowedPolicies {
  /** True once there is something to enforce: a snapshot, or the first complete set of a controller. */
  readonly ready: boolean;
  whenReady(signal?: AbortSignal): Promise<void>;
  /**
   * Resolves when the policies of a pod are known as they are at `resourceVersion` of the pod or later. A controller that does not say how far
   * it has computed is given {@link unannouncedWait} to name the pod in a group. Rejects with the signal's reason only.
   */
  whenComputed(pod: PodAtRevision): Promise<void>;
  networkPolicies(): NetworkPolicy[];
  addressGroups(): Group[];
  appliedToGroups(): Group[];
  /** How far the followed controller has computed, where it says so on all streams. */
  computed(): ComputedRevisions | undefined;
  /** By resource: undefined when it is being followed, else why not. */
  problems(): Readonly<Record<ControlplaneResource, string | undefined>>;
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
  /** The API under which controlplane.antrea.io is served: the controller itself, or Kubernetes in front of it. */
  readonly client: KubeClient;
  readonly node: string;
  readonly target: PolicyTarget;
  readonly snapshot: PolicySnapshot | undefined;
  /** Called after events were handed to the target, in the same turn. */
  readonly changed: () => void;
  /** Called when a controller told all policies that there are: at the start, and each time that the stream began anew. */
  readonly listed?: () => void;
  readonly signal: AbortSignal;
}

/** How long a controller that gives no progress has to name a new pod. Its own delays are of the order of 10 ms. */
export const unannouncedWait = milliseconds(500);
/** A controller behind what is enforced is refused for this long; after that it is believed (the cluster may have been restored from a backup). */
const outdatedFor = seconds(60);

/** Follows the controller's three resources into `target`, beginning with the snapshot. */
export function followPolicies(options: FollowOptions): FollowedPolicies {
  const { runtime, client, node, target, snapshot, changed, signal } = options;
  const assembly = createPolicyAssembly(target);
  const progress = createProgress();
  const started = new Set<ControlplaneResource>();
  const listeners = new Set<() => void>();
  let refusedSince: number | undefined;
  let ready = false;

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
  const outdated: StreamHandler<unknown, unknown>["outdated"] = (computed) => {
    const lack = progress.lackOf(computed, snapshot?.computed);
    if (lack === undefined) {
      refusedSince = undefined;
      return undefined;
    }
    refusedSince ??= runtime.clock.monotonic();
    return runtime.clock.monotonic() - refusedSince > outdatedFor ? undefined : lack;
  };
  const events = (resource: ControlplaneResource) => ({
    outdated,
    progress: (computed: ComputedRevisions | undefined) => progress.reached(resource, computed),
    changed(): void {
      if (states[resource].following) started.add(resource);
      else progress.lost(resource);
      ready ||= started.size === controlplaneResources.length;
      changed();
      tell();
    },
  });
  const groupHandler = (resource: ControlplaneResource, groups: GroupAssembly): StreamHandler<Group, GroupPatch> => ({
    ...events(resource),
    decode: decodeGroup,
    decodePatch: decodeGroupPatch,
    replace(items) {
      const names = new Set(items.map(({ name }) => name));
      for (const item of items) groups.set(item);
      for (const { name } of groups.groups()) if (!names.has(name)) groups.remove(name);
    },
    set: groups.set,
    patch: groups.patch,
    remove: groups.remove,
  });
  const policyHandler: StreamHandler<NetworkPolicy, never> = {
    ...events("networkpolicies"),
    decode: decodeNetworkPolicy,
    replace(items) {
      const names = new Set(items.map(({ name }) => name));
      for (const item of items) assembly.setPolicy(item);
      for (const { name } of assembly.policies()) if (!names.has(name)) assembly.removePolicy(name);
      options.listed?.();
    },
    set: assembly.setPolicy,
    patch() {},
    remove: assembly.removePolicy,
  };

  if (snapshot !== undefined) {
    for (const group of snapshot.addressGroups) assembly.addressGroups.set(group);
    for (const group of snapshot.appliedToGroups) assembly.appliedToGroups.set(group);
    for (const policy of snapshot.policies) assembly.setPolicy(policy);
    ready = true;
    changed();
  }
  const follow = { runtime, client, node, signal };
  const states: Readonly<Record<ControlplaneResource, StreamState>> = {
    networkpolicies: followStream({ ...follow, resource: "networkpolicies", handler: policyHandler }),
    addressgroups: followStream({ ...follow, resource: "addressgroups", handler: groupHandler("addressgroups", assembly.addressGroups) }),
    appliedtogroups: followStream({
      ...follow,
      resource: "appliedtogroups",
      handler: groupHandler("appliedtogroups", assembly.appliedToGroups),
    }),
  };

  const names = ({ namespace, name }: PodAtRevision): boolean =>
    assembly.appliedToGroups.groups().some(({ members }) => members.some(({ pod }) => pod?.namespace === namespace && pod.name === name));
  return {
    get ready() {
      return ready;
    },
    whenReady: (giveUp) => until(() => ready, giveUp),
    async whenComputed(pod) {
      await until(() => controlplaneResources.every((resource) => states[resource].following), pod.signal);
      const { resourceVersion } = pod;
      if (resourceVersion !== undefined && isNumber(resourceVersion) && progress.announced())
        return until(() => progress.hasPods(resourceVersion), pod.signal);
      const late = { yes: false };
      const waited = sleep(runtime.clock, unannouncedWait, pod.signal).then(
        () => {
          late.yes = true;
          tell();
        },
        () => {},
      );
      await until(() => late.yes || names(pod), pod.signal);
      void waited;
    },
    networkPolicies: assembly.policies,
    addressGroups: assembly.addressGroups.groups,
    appliedToGroups: assembly.appliedToGroups.groups,
    computed: () => progress.common() ?? snapshot?.computed,
    problems: () => ({
      networkpolicies: problemOf(states.networkpolicies),
      addressgroups: problemOf(states.addressgroups),
      appliedtogroups: problemOf(states.appliedtogroups),
    }),
  };
}

const problemOf = ({ following, problem }: StreamState): string | undefined => (following ? undefined : problem);
