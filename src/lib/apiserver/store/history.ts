import type { KubeObject } from "#lib/kube/types.ts";

/** One change that is on disk. */
export interface CommittedEvent {
  readonly revision: number;
  readonly key: string;
  /** The object before; absent when it is new. */
  readonly before?: KubeObject;
  /** The object after; absent when it was removed. */
  readonly after?: KubeObject;
  /** For a removal: the object as it last was, with the revision of its removal. */
  readonly removed?: KubeObject;
}

/** Changes kept per kind. A watcher that was away for longer lists again; at 2 KiB per object this is at most 16 MiB per kind. */
const keptEvents = 8_192;

/** The latest changes of one kind. Everything after {@link History.completeSince} is here. */
export interface History {
  readonly completeSince: number;
  add(event: CommittedEvent): void;
  /** Events after `revision`, oldest first. Only meaningful from `completeSince` on. */
  after(revision: number): readonly CommittedEvent[];
}

export function createHistory(startRevision: number, limit = keptEvents): History {
  let events: CommittedEvent[] = [];
  let completeSince = startRevision;
  return {
    get completeSince() {
      return completeSince;
    },
    add(event) {
      events.push(event);
      // cut in halves, so that one change costs no copy of the whole
      if (events.length <= limit) return;
      const dropped = events.length - Math.ceil(limit / 2);
      completeSince = events[dropped - 1]?.revision ?? completeSince;
      events = events.slice(dropped);
    },
    after(revision) {
      let low = 0;
      let high = events.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((events[middle]?.revision ?? 0) <= revision) low = middle + 1;
        else high = middle;
      }
      return events.slice(low);
    },
  };
}
