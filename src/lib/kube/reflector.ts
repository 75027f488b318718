import { createBackoff } from "#lib/runtime/backoff.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { type Duration, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { type ReadTable, RowTable } from "#lib/table/table.ts";
import type { KubeClient, Selection } from "./client.ts";
import { isExpired, isNotFound, KubeApiError } from "./errors.ts";
import { keyOf, type Resource } from "./resource.ts";
import { createSilenceGuard, watchSilenceLimit } from "./silence.ts";
import type { KubeObject } from "./types.ts";

/** A watch that the server ends sooner than this is no healthy one: the next waits by backoff. */
const shortestWatch = seconds(1);

/** A table that follows a collection of the API for as long as `signal` lets it. Keys are {@link keyOf}. */
export interface Reflection<Kind extends KubeObject> extends ReadTable<Kind> {
  /** The newest resourceVersion the server is known to have told, bookmarks included. */
  readonly resourceVersion: string | undefined;
  /** Why the API is not being followed right now, or undefined when it is. */
  readonly problem: string | undefined;
  /** Hears `resourceVersion` after every event and bookmark has been applied. */
  onProgress(listener: (resourceVersion: string) => void): () => void;
}

export interface ReflectOptions<Kind extends KubeObject> extends Selection {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly resource: Resource<Kind>;
  readonly signal: AbortSignal;
  readonly indexes?: Readonly<Record<string, (object: Kind) => readonly string[]>>;
  /** What is kept of each object, such as leanPod; must keep `uid` and `resourceVersion`. Default: everything. */
  readonly transform?: (object: Kind) => Kind;
  /**
   * The kind may not be installed: while the server does not know it, there are no objects of it, and the table counts as listed. Rows that were there
   * stay: an API that starts may know its own kinds first.
   */
  readonly mayBeAbsent?: boolean;
  /** See {@link TableOptions.manyAlike}. */
  readonly manyAlike?: boolean;
  /** How long a watch may be silent before it is opened again. Default: {@link watchSilenceLimit}. */
  readonly silenceLimit?: Duration;
}

/**
 * Lists, then watches; lists again when the server forgot where we were. The table is `synced` after the first list and keeps its rows
 * through every failure: a cache goes on serving when the API is gone. A watch that says nothing for too long is opened again.
 */
export function reflect<Kind extends KubeObject>(options: ReflectOptions<Kind>): Reflection<Kind> {
  const {
    runtime,
    client,
    resource,
    signal,
    indexes,
    transform = (object) => object,
    silenceLimit = watchSilenceLimit,
    mayBeAbsent = false,
    manyAlike = false,
    ...selection
  } = options;
  const table = new Reflected<Kind>({
    name: resource.plural,
    key: keyOf,
    same: (before, after) =>
      before.metadata.uid === after.metadata.uid &&
      before.metadata.resourceVersion === after.metadata.resourceVersion &&
      after.metadata.resourceVersion !== undefined,
    ...(indexes === undefined ? {} : { indexes }),
    manyAlike,
  });
  const listed = table.initializer("list");
  const logger = runtime.logger.with({ resource: resource.plural });
  const list = async (): Promise<void> => {
    const { items, metadata } = await client.list(resource, { ...selection, signal });
    table.replace(items.map(transform));
    table.problem = undefined;
    table.reached(metadata.resourceVersion);
    listed();
  };
  const follow = async (): Promise<void> => {
    const from = table.resourceVersion === undefined ? {} : { resourceVersion: table.resourceVersion };
    const guard = createSilenceGuard({ clock: runtime.clock, limit: silenceLimit, signal });
    guard.heard();
    try {
      for await (const event of client.watch(resource, { ...selection, signal: guard.signal, ...from })) {
        guard.heard();
        table.problem = undefined;
        if (event.type === "ERROR") throw new KubeApiError(`watch ${resource.plural}`, event.object.code ?? 500, event.object);
        if (event.type === "DELETED") table.delete(keyOf(event.object));
        else if (event.type !== "BOOKMARK") table.upsert(transform(event.object));
        table.reached(event.object.metadata.resourceVersion);
      }
    } finally {
      guard.stop();
    }
  };
  const run = async (): Promise<void> => {
    const backoff = createBackoff({ random: runtime.random, limit: seconds(5) });
    let mustList = true;
    while (!signal.aborted) {
      try {
        if (mustList) await list();
        mustList = false;
        const started = runtime.clock.monotonic();
        await follow();
        if (runtime.clock.monotonic() - started > shortestWatch) backoff.reset();
        else await sleep(runtime.clock, backoff.next(), signal);
      } catch (error) {
        if (signal.aborted) return;
        mustList = mustList || isExpired(error) || error instanceof KubeApiError;
        const before = table.problem;
        table.problem = errorMessage(error);
        const isAbsent = mayBeAbsent && mustList && isNotFound(error);
        if (isAbsent) listed();
        if (!isExpired(error)) {
          if (!isAbsent) logger.warn("not following the API; trying again", { error: table.problem });
          else if (before === undefined) logger.info("the API does not know the kind yet; waiting for it");
          await sleep(runtime.clock, backoff.next(), signal).catch(() => {});
        }
      }
    }
  };
  void run();

  return table;
}

class Reflected<Kind extends KubeObject> extends RowTable<Kind> implements Reflection<Kind> {
  resourceVersion: string | undefined;
  problem: string | undefined;
  readonly #listeners = new Set<(resourceVersion: string) => void>();

  onProgress(listener: (resourceVersion: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Everything up to `version` has been applied. */
  reached(version: string | undefined): void {
    if (version === undefined) return;
    this.resourceVersion = version;
    for (const listener of [...this.#listeners]) listener(version);
  }
}
