import {
  type ChangeMark,
  changeAnnotation,
  changesParameter,
  type ComputedRevisions,
  computedAnnotation,
  type ControlplaneResource,
  controlplaneGroup,
  controlplaneKinds,
  controlplaneResources,
  controlplaneVersion,
  decodeChangeMark,
  decodeComputedRevisions,
  type Group,
  heartbeatAnnotation,
  heartbeatParameter,
  type NetworkPolicy,
  progressParameter,
} from "#core/api/controlplane/index.ts";
import { KubeApiError, type KubeObject, type Resource, watchSilenceLimit } from "#lib/kube/index.ts";
import { type Duration, milliseconds, type Runtime, seconds } from "#lib/runtime/index.ts";
import type { ControllerReplica } from "../controllers/replicas.ts";
import { ControllerEnded, TooManyChanges } from "./errors.ts";
import { type ControllerEvent, type FirstSets, read, readEvent } from "./events.ts";
import { createChangeJoiner, heldAtMost } from "./join-changes.ts";

/** As often as the agent asks to hear of the controller it follows. */
const wantedHeartbeat = milliseconds(200);
/** How many heartbeats may be missing. */
const heartbeatsMissed = 3;
/** Heartbeats as rare as this, or rarer, are believed; a server that says anything else is a wrong one. */
const rarestHeartbeat = seconds(60);
/** Most changes that are kept while first sets wait for each other or for a verdict. */
const keptChanges = 10_000;

/** The three streams of one replica, from their beginning until one of them ends. */
export interface Session {
  readonly replica: ControllerReplica;
  /** Resolves when the first sets are complete. Rejects with why they will not be. */
  readonly complete: Promise<FirstSets>;
  /** Resolves with why the session is over. */
  readonly ended: Promise<unknown>;
  readonly isOver: boolean;
  /** When something of it arrived last, in monotonic time. */
  readonly lastHeard: number;
  /** How long it may say nothing; undefined while it has not said how often it does. */
  readonly silenceLimit: Duration | undefined;
  /** How often it says that it is there; undefined while it has not said. */
  readonly heartbeat: Duration | undefined;
  /** Since when the replica does not hear the Kubernetes API. */
  readonly cutOffSince: string | undefined;
  /** Whether it says what belongs together, which is also a sign of who it is. */
  readonly marksChanges: boolean;
  /** Hands over what came since the first sets, and from then on what comes: each time what is one change. See {@link createChangeJoiner} for `whole`. */
  deliver(handler: EventHandler): void;
  /** Hears of everything that arrives, heartbeats too. */
  onHeard(listener: () => void): void;
  close(): void;
}

export type EventHandler = (events: readonly ControllerEvent[], options: { readonly whole: boolean }) => void;

export function openSession(options: {
  readonly runtime: Runtime;
  readonly replica: ControllerReplica;
  readonly node: string;
  readonly signal: AbortSignal;
}): Session {
  const { runtime, replica, node } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  const complete = Promise.withResolvers<FirstSets>();
  const ended = Promise.withResolvers<unknown>();
  complete.promise.catch(() => {});
  const heard = new Set<() => void>();
  const kept: ControllerEvent[] = [];
  const first = {
    networkpolicies: new Map<string, NetworkPolicy>(),
    addressgroups: new Map<string, Group>(),
    appliedtogroups: new Map<string, Group>(),
  };
  const begun = new Map<ControlplaneResource, ComputedRevisions | undefined>();
  /** By stream, how far things were computed by the last bookmark, as it was written: most heartbeats say it once more. */
  const lastTold = new Map<ControlplaneResource, string>();
  let decoded: { readonly text: string; readonly computed: ComputedRevisions } | undefined;
  const state = {
    over: false,
    lastHeard: runtime.clock.monotonic(),
    limit: undefined as Duration | undefined,
    heartbeat: undefined as Duration | undefined,
    cutOffSince: undefined as string | undefined,
    marksChanges: false,
    handler: undefined as EventHandler | undefined,
    keptWhole: false,
  };

  const joiner = createChangeJoiner({
    clock: runtime.clock,
    deliver(events, options) {
      if (state.handler !== undefined) state.handler(events, options);
      else {
        kept.push(...events);
        state.keptWhole = options.whole;
      }
    },
    complete: () =>
      complete.resolve({
        policies: [...first.networkpolicies.values()],
        addressGroups: [...first.addressgroups.values()],
        appliedToGroups: [...first.appliedtogroups.values()],
        computed: {
          networkpolicies: begun.get("networkpolicies"),
          addressgroups: begun.get("addressgroups"),
          appliedtogroups: begun.get("appliedtogroups"),
        },
      }),
    late: (resources) =>
      runtime.logger.warn("a change of policies came in part only; the part is applied", {
        replica: replica.name,
        late: resources,
        waitedMs: heldAtMost,
      }),
  });
  const emit = (event: ControllerEvent, mark?: ChangeMark): void => {
    if (state.handler === undefined && kept.length + joiner.held >= keptChanges) throw new TooManyChanges(keptChanges);
    joiner.take(event, mark);
  };
  const collect = (event: ControllerEvent): void => {
    if (event.type === "policy") first.networkpolicies.set(event.policy.name, event.policy);
    else if (event.type === "group") first[event.resource].set(event.group.name, event.group);
    else if (event.type === "removed") first[event.resource].delete(event.name);
  };
  const bookmark = (resource: ControlplaneResource, object: KubeObject): void => {
    const { annotations = {} } = object.metadata;
    const text = annotations[computedAnnotation];
    const heartbeat = Number(annotations[heartbeatAnnotation]);
    if (heartbeat > 0 && heartbeat <= rarestHeartbeat) {
      state.heartbeat = milliseconds(heartbeat);
      state.limit = milliseconds(heartbeat * heartbeatsMissed);
    }
    const changed = annotations[changeAnnotation];
    if (text !== undefined && changed === undefined && text === lastTold.get(resource)) return;
    // The three streams say the same behind a change.
    if (text !== undefined && decoded?.text !== text) decoded = { text, computed: read(resource, decodeComputedRevisions(text)) };
    const computed = text === undefined ? undefined : decoded?.computed;
    // A controller that tells progress does so each minute; another may have nothing to say for days.
    if (computed !== undefined) state.limit ??= watchSilenceLimit;
    if (computed !== undefined) state.cutOffSince = computed.cutOffSince;
    if (text !== undefined) lastTold.set(resource, text);
    const mark = decodeChangeMark(changed ?? "");
    state.marksChanges ||= mark !== undefined;
    if (begun.has(resource)) {
      emit({ type: "progress", resource, computed }, mark);
      return;
    }
    begun.set(resource, computed);
    joiner.begun(resource, mark);
  };
  const follow = async (resource: ControlplaneResource): Promise<void> => {
    const parameters = {
      [progressParameter]: "true",
      [changesParameter]: "true",
      ...(resource === "networkpolicies" && { [heartbeatParameter]: String(wantedHeartbeat) }),
    };
    const watch = replica.client.watch<KubeObject>(resourceOf(resource), { fieldSelector: `nodeName=${node}`, parameters, signal });
    for await (const event of watch) {
      state.lastHeard = runtime.clock.monotonic();
      if (event.type === "ERROR") throw new KubeApiError(`watch ${resource}`, event.object.code ?? 500, event.object);
      if (event.type === "BOOKMARK") bookmark(resource, event.object);
      else {
        const told = readEvent(resource, event);
        // Before the first bookmark there are only whole objects.
        if (begun.has(resource)) emit(told);
        else collect(told);
      }
      for (const listener of [...heard]) listener();
    }
    throw new ControllerEnded(resource);
  };
  const over = (why: unknown): void => {
    if (state.over) return;
    state.over = true;
    joiner.close();
    options.signal.removeEventListener("abort", stopped);
    complete.reject(why);
    ended.resolve(why);
    closing.abort(why);
  };
  for (const resource of controlplaneResources) follow(resource).catch(over);
  const stopped = (): void => over(options.signal.reason);
  options.signal.addEventListener("abort", stopped, { once: true });

  return {
    replica,
    complete: complete.promise,
    ended: ended.promise,
    get isOver() {
      return state.over;
    },
    get lastHeard() {
      return state.lastHeard;
    },
    get silenceLimit() {
      return state.limit;
    },
    get heartbeat() {
      return state.heartbeat;
    },
    get cutOffSince() {
      return state.cutOffSince;
    },
    get marksChanges() {
      return state.marksChanges;
    },
    deliver(handler) {
      const before = kept.splice(0);
      if (before.length > 0) handler(before, { whole: state.keptWhole });
      state.handler = handler;
    },
    onHeard: (listener) => void heard.add(listener),
    close: () => over(new Error("left")),
  };
}

const resourceOf = (resource: ControlplaneResource): Resource<KubeObject> => ({
  group: controlplaneGroup,
  version: controlplaneVersion,
  plural: resource,
  kind: controlplaneKinds[resource].kind,
  namespaced: false,
});
