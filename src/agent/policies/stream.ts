import {
  type ComputedRevisions,
  computedAnnotation,
  type ControlplaneResource,
  controlplaneGroup,
  controlplaneKinds,
  controlplaneVersion,
  type Decoded,
  decodeComputedRevisions,
  progressParameter,
} from "#core/api/controlplane/index.ts";
import {
  createSilenceGuard,
  KubeApiError,
  type KubeClient,
  type KubeObject,
  type Resource,
  type WatchEvent,
  watchSilenceLimit,
} from "#lib/kube/index.ts";
import { createBackoff, errorMessage, type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { OutdatedController, UnreadableControllerEvent } from "./errors.ts";

/** What one stream tells: first a whole set, after every reconnect again, then changes. */
export interface StreamHandler<Item, Patch> {
  readonly decode: (value: unknown) => Decoded<Item>;
  readonly decodePatch?: (value: unknown) => Decoded<Patch>;
  /** The collection is exactly `items`. */
  replace(items: readonly Item[]): void;
  set(item: Item): void;
  patch(patch: Patch): void;
  remove(name: string): void;
  /** Everything in `computed` is contained in what was told so far. */
  progress(computed: ComputedRevisions | undefined): void;
  /** Whether a controller that has seen this much may be followed; otherwise what it lacks. */
  outdated(computed: ComputedRevisions): { readonly input: string; readonly seen: string; readonly known: string } | undefined;
  /** After every event has been handed over. */
  changed(): void;
}

export interface StreamState {
  /** Whether the stream is being followed, its first set received. */
  readonly following: boolean;
  readonly problem: string | undefined;
}

/** Follows one of the controller's resources for this node until `signal` aborts. Never gives up, and says why it cannot. */
export function followStream<Item, Patch>(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly resource: ControlplaneResource;
  readonly node: string;
  readonly handler: StreamHandler<Item, Patch>;
  readonly signal: AbortSignal;
}): StreamState {
  const { runtime, client, resource, node, handler, signal } = options;
  const state: { following: boolean; problem: string | undefined } = { following: false, problem: "not connected yet" };
  const { kind, patchKind } = controlplaneKinds[resource];
  const target: Resource<KubeObject> = {
    group: controlplaneGroup,
    version: controlplaneVersion,
    plural: resource,
    kind,
    namespaced: false,
  };
  const read = <T>(decoded: Decoded<T>): T => {
    if (!decoded.ok) throw new UnreadableControllerEvent(resource, decoded.path, decoded.reason);
    return decoded.value;
  };
  const computedOf = (object: KubeObject): ComputedRevisions | undefined => {
    const annotation = object.metadata.annotations?.[computedAnnotation];
    return annotation === undefined ? undefined : read(decodeComputedRevisions(annotation));
  };
  const begin = (items: readonly Item[], computed: ComputedRevisions | undefined): void => {
    const lack = computed === undefined ? undefined : handler.outdated(computed);
    if (lack !== undefined) throw new OutdatedController(resource, lack.input, lack.seen, lack.known);
    handler.replace(items);
    runtime.logger.info("following the controller", { resource, objects: items.length });
    state.following = true;
    state.problem = undefined;
  };
  const apply = (event: Exclude<WatchEvent<KubeObject>, { type: "ERROR" }>): void => {
    const { type, object } = event;
    if (type === "DELETED") handler.remove(object.metadata.name ?? "");
    else if (type === "MODIFIED" && object.kind === patchKind && handler.decodePatch !== undefined)
      handler.patch(read(handler.decodePatch(object)));
    else if (type !== "BOOKMARK") handler.set(read(handler.decode(object)));
  };
  const follow = async (): Promise<void> => {
    const selection = { fieldSelector: `nodeName=${node}`, parameters: { [progressParameter]: "true" } };
    let first: Map<string, Item> | undefined = new Map();
    const guard = createSilenceGuard({ clock: runtime.clock, limit: watchSilenceLimit, signal });
    try {
      for await (const event of client.watch<KubeObject>(target, { ...selection, signal: guard.signal })) {
        if (event.type === "ERROR") throw new KubeApiError(`watch ${resource}`, event.object.code ?? 500, event.object);
        if (first !== undefined && event.type !== "BOOKMARK") {
          // Before the first bookmark there are only whole objects.
          const name = event.object.metadata.name ?? "";
          if (event.type === "DELETED") first.delete(name);
          else first.set(name, read(handler.decode(event.object)));
          continue;
        }
        const computed = event.type === "BOOKMARK" ? computedOf(event.object) : undefined;
        // A controller that tells progress does so each minute; another may have nothing to say for days.
        if (computed !== undefined || guard.listening) guard.heard();
        if (first !== undefined) {
          begin([...first.values()], computed);
          first = undefined;
        } else apply(event);
        if (event.type === "BOOKMARK") handler.progress(computed);
        handler.changed();
      }
      if (!signal.aborted) guard.signal.throwIfAborted();
    } finally {
      guard.stop();
    }
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, limit: seconds(2) });
    while (!signal.aborted) {
      try {
        await follow();
        state.problem = "the controller ended the watch";
      } catch (error) {
        if (signal.aborted) return;
        if (state.problem !== errorMessage(error))
          runtime.logger.warn("not following the controller; what is known stays enforced", { resource, error: errorMessage(error) });
        state.problem = errorMessage(error);
      }
      if (state.following) backoff.reset();
      state.following = false;
      handler.changed();
      await sleep(runtime.clock, backoff.next(), signal).catch(() => {});
    }
  };
  void run();
  return state;
}
