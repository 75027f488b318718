import type { SpanChanges, SpanView } from "#core/policy/index.ts";
import type { WatchSink } from "#lib/apiserver/resource-store.ts";
import type { KubeObject } from "#lib/kube/index.ts";
import type { Message } from "./messages.ts";

/** What one watch asked for. */
export interface Watcher {
  /** Only what this node needs; absent: everything. */
  readonly node: string | undefined;
  readonly name: string | undefined;
  /** Asked for revisions and progress. */
  readonly progress: boolean;
  /** Asked for marks behind each change, too. */
  readonly changes: boolean;
  readonly sink: WatchSink;
}

/** One change of one object, in the forms it may be told. `node` is whom it is told to; undefined for those who see everything. */
export interface Announcement extends SpanChanges {
  readonly name: string;
  readonly event: "created" | "changed" | "deleted";
  readonly span: SpanView;
  full(node: string | undefined): Message;
  removed(): Message;
  /** Undefined when the content is the same for `node`. */
  modified(node: string | undefined): Message | undefined;
}

/** The watchers of one resource, found by node: a change costs what it concerns, however many agents there are. */
export interface Watchers {
  add(watcher: Watcher): () => void;
  /** Adds to `told` the nodes whose watchers heard something; undefined for those who see everything. */
  tell(announcement: Announcement, told: Set<string | undefined>): void;
  /** Sends a bookmark to the watchers of `node` that asked for progress, where `wants` says so. */
  mark(node: string | undefined, bookmark: () => KubeObject, wants: (watcher: Watcher) => boolean): void;
  /** The same to all that asked for progress, of whatever node. */
  progressToAll(bookmark: () => KubeObject): void;
  /** Whether somebody watches for the node. */
  has(node: string): boolean;
  readonly size: number;
}

export function createWatchers(): Watchers {
  const byNode = new Map<string | undefined, Set<Watcher>>();
  let size = 0;

  const remove = (watcher: Watcher): void => {
    const found = byNode.get(watcher.node);
    if (!found?.delete(watcher)) return;
    size--;
    if (found.size === 0) byNode.delete(watcher.node);
  };
  /** Whether anybody was there to hear. */
  const send = (
    node: string | undefined,
    { name }: Announcement,
    type: "ADDED" | "MODIFIED" | "DELETED",
    message: () => Message | undefined,
  ): boolean => {
    const watchers = byNode.get(node);
    if (watchers === undefined) return false;
    const told = message();
    if (told === undefined) return false;
    for (const watcher of [...watchers]) {
      if (watcher.name !== undefined && watcher.name !== name) continue;
      if (!watcher.sink.send({ type, object: watcher.progress ? told.marked : told.plain })) remove(watcher);
    }
    return true;
  };
  const tellEverybody = (announcement: Announcement): boolean => {
    const { event } = announcement;
    if (event === "created") return send(undefined, announcement, "ADDED", () => announcement.full(undefined));
    if (event === "deleted") return send(undefined, announcement, "DELETED", () => announcement.removed());
    return send(undefined, announcement, "MODIFIED", () => announcement.modified(undefined));
  };

  const mark: Watchers["mark"] = (node, bookmark, wants) => {
    for (const watcher of [...(byNode.get(node) ?? [])])
      if (watcher.progress && wants(watcher) && !watcher.sink.send({ type: "BOOKMARK", object: bookmark() })) remove(watcher);
  };

  return {
    has: (node) => byNode.has(node),
    get size() {
      return size;
    },
    add(watcher) {
      const watchers = byNode.get(watcher.node);
      if (watchers === undefined) byNode.set(watcher.node, new Set([watcher]));
      else watchers.add(watcher);
      size++;
      return () => remove(watcher);
    },
    tell(announcement, told) {
      if (tellEverybody(announcement)) told.add(undefined);
      const { gained, lost, span, event } = announcement;
      for (const node of gained) if (send(node, announcement, "ADDED", () => announcement.full(node))) told.add(node);
      for (const node of lost) if (send(node, announcement, "DELETED", () => announcement.removed())) told.add(node);
      if (event !== "changed") return;
      const isNew = new Set(gained);
      const staying = span.size < byNode.size ? span.nodes() : byNode.keys();
      for (const node of staying) {
        if (node === undefined || isNew.has(node) || !span.has(node)) continue;
        if (send(node, announcement, "MODIFIED", () => announcement.modified(node))) told.add(node);
      }
    },
    mark,
    progressToAll(bookmark) {
      for (const node of [...byNode.keys()]) mark(node, bookmark, () => true);
    },
  };
}
