import type { KubeObject } from "#lib/kube/types.ts";
import { badRequest, expired, tooLargeVersion } from "../errors.ts";
import type { Draft, ObjectKey, ResourceDefinition } from "../resource.ts";
import type { StoreList, StoreListOptions, StoreWatchOptions, WatchSink } from "../resource-store.ts";
import { type ContinueToken, formatContinue, parseContinue } from "./continue-token.ts";
import { createFiledWatchers } from "./filed-watchers.ts";
import { type CommittedEvent, createHistory } from "./history.ts";
import { selectionPredicate } from "./selection.ts";
import { bookmarkOf, createWatcher } from "./watcher.ts";

/** The committed objects of one kind: lists, watches and their recent past. */
export interface Collection {
  readonly definition: ResourceDefinition;
  readonly size: number;
  get(key: string): KubeObject | undefined;
  /** In the order of keys: by namespace, then name. */
  objects(namespace?: string): Iterable<KubeObject>;
  list(options: StoreListOptions): StoreList;
  watch(options: StoreWatchOptions, sink: WatchSink): () => void;
  /** Makes a committed change visible, to watchers at once. */
  apply(event: CommittedEvent): void;
  /** Tells quiet watchers how far they are. */
  bookmark(): void;
  /** The kind has changed: other fields can be selected. */
  redefine(definition: ResourceDefinition): void;
  /** Ends all watches. */
  close(): void;
}

/** `namespace/name`; the slash comes also without a namespace, so that keys sort by namespace first. */
export const storeKey = ({ namespace, name }: ObjectKey): string => `${namespace}/${name}`;

/** `currentRevision` is that of the whole store, as all kinds share one sequence. */
export function createCollection(options: {
  readonly definition: ResourceDefinition;
  readonly objects: Iterable<KubeObject>;
  readonly currentRevision: () => number;
  readonly keptEvents?: number;
}): Collection {
  const { currentRevision } = options;
  let { definition } = options;
  const byKey = new Map<string, KubeObject>();
  for (const object of options.objects) byKey.set(keyOfStored(object), object);
  const keys = [...byKey.keys()].sort();
  const history = createHistory(currentRevision(), options.keptEvents);
  const watchers = createFiledWatchers(() => definition);

  const range = (namespace: string | undefined, after = ""): readonly string[] => {
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    const start = Math.max(firstNotBefore(keys, prefix), after === "" ? 0 : firstNotBefore(keys, `${after}\0`));
    // "0" follows "/" in ASCII: the first key past the namespace
    return keys.slice(start, namespace === undefined ? undefined : firstNotBefore(keys, `${namespace}0`));
  };

  /** The objects as they were at an earlier revision: the present, with the changes since undone. */
  const rewound = (revision: number): Map<string, KubeObject> => {
    if (revision < history.completeSince)
      throw expired(`The provided continue parameter is too old: revision ${revision} is no longer kept`);
    const past = new Map(byKey);
    for (const { key, before } of history.after(revision).toReversed()) {
      if (before === undefined) past.delete(key);
      else past.set(key, before);
    }
    return past;
  };

  return {
    get definition() {
      return definition;
    },
    get size() {
      return byKey.size;
    },
    get: (key) => byKey.get(key),
    *objects(namespace) {
      for (const key of range(namespace)) {
        const object = byKey.get(key);
        if (object !== undefined) yield object;
      }
    },
    list(wanted) {
      const selected = selectionPredicate(definition, wanted);
      const token = wanted.continue === undefined ? undefined : parseContinue(wanted.continue);
      const asked = requestedRevision(wanted, token);
      const current = currentRevision();
      if (asked > current) throw tooLargeVersion(String(asked), String(current));
      const exact = token !== undefined || wanted.resourceVersionMatch === "Exact";
      const revision = exact ? asked : current;
      const source = exact && asked < current ? rewound(asked) : byKey;
      const candidates = source === byKey ? range(wanted.namespace, token?.after) : sortedAfter(source, wanted.namespace, token?.after);
      const part = page(candidates, source, selected, revision, wanted.limit);
      const narrowed = wanted.labelSelector.length + wanted.fieldSelector.length > 0;
      // how many of the rest are selected is not known without looking at all of them
      if (narrowed) delete part.remainingItemCount;
      return { resourceVersion: String(revision), ...part };
    },
    watch(wanted, sink) {
      const watcher = createWatcher({ sink, selected: selectionPredicate(definition, wanted), allowBookmarks: wanted.allowBookmarks });
      const current = currentRevision();
      const asked = parseRevision(wanted.resourceVersion);
      const since = asked === 0 && wanted.withoutInitialEvents ? current : asked;
      if (since > current) throw tooLargeVersion(String(since), String(current));
      if (since === 0 || wanted.sendInitialEvents) {
        for (const key of range(wanted.namespace)) {
          const object = byKey.get(key);
          if (object !== undefined) watcher.present(object);
        }
        if (wanted.sendInitialEvents) sink.send({ type: "BOOKMARK", object: bookmarkOf(definition, current, { initialEventsEnd: true }) });
      } else {
        if (since < history.completeSince) throw expired(`too old resource version: ${since} (${history.completeSince})`);
        for (const event of history.after(since)) watcher.changed(event);
      }
      return watchers.add(watcher, wanted);
    },
    apply(event) {
      const { key, after } = event;
      if (after === undefined) {
        if (byKey.delete(key)) keys.splice(firstNotBefore(keys, key), 1);
      } else {
        if (!byKey.has(key)) keys.splice(firstNotBefore(keys, key), 0, key);
        byKey.set(key, after);
      }
      history.add(event);
      for (const watcher of watchers.of([event.before, after])) watcher.changed(event);
    },
    bookmark() {
      const object = bookmarkOf(definition, currentRevision());
      for (const watcher of watchers.all()) watcher.bookmark(object);
    },
    redefine(changed) {
      definition = changed;
    },
    close() {
      for (const watcher of watchers.all()) watcher.close();
      watchers.clear();
    },
  };
}

function page(
  candidates: readonly string[],
  source: ReadonlyMap<string, KubeObject>,
  selected: (object: KubeObject) => boolean,
  revision: number,
  limit = Number.POSITIVE_INFINITY,
): Draft<Pick<StoreList, "continue" | "remainingItemCount">> & Pick<StoreList, "items"> {
  const items: KubeObject[] = [];
  let last = "";
  for (const [index, key] of candidates.entries()) {
    const object = source.get(key);
    if (object === undefined || !selected(object)) continue;
    if (items.length === limit) {
      return { items, continue: formatContinue({ revision, after: last }), remainingItemCount: candidates.length - index };
    }
    items.push(object);
    last = key;
  }
  return { items };
}

function sortedAfter(source: ReadonlyMap<string, KubeObject>, namespace: string | undefined, after = ""): string[] {
  const prefix = namespace === undefined ? "" : `${namespace}/`;
  return [...source.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
}

function requestedRevision({ resourceVersion, resourceVersionMatch }: StoreListOptions, token: ContinueToken | undefined): number {
  if (token !== undefined) {
    if (resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== "0")
      throw badRequest("specifying resource version is not allowed when using continue");
    return token.revision;
  }
  const revision = parseRevision(resourceVersion);
  if (resourceVersionMatch === "Exact" && revision === 0) throw badRequest("resourceVersionMatch=Exact needs a resourceVersion above 0");
  return revision;
}

/** 0 for an absent version. */
function parseRevision(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const revision = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(revision)) throw badRequest(`invalid resource version ${JSON.stringify(text)}`);
  return revision;
}

const keyOfStored = ({ metadata }: KubeObject): string => storeKey({ namespace: metadata.namespace ?? "", name: metadata.name ?? "" });

/** The index of the first key that is not before `wanted`. */
function firstNotBefore(keys: readonly string[], wanted: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
